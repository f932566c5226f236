//! The types of `aws_lambda_events` that `eg-runtime` re-exports read the samples of `cargo eg invoke --sample`: a function that takes
//! such a type gets what AWS sends.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::path::Path;

use eg_runtime::aws_lambda_events as aws;
use serde::de::DeserializeOwned;

fn reads<T: DeserializeOwned>(sample: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../cargo-eg/samples").join(sample).with_extension("json");
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<T>(&text).unwrap_or_else(|error| panic!("{sample}: {error}"));
}

#[test]
fn every_type_reads_its_sample() {
    reads::<aws::alb::AlbTargetGroupRequest>("load-balancer");
    reads::<aws::apigw::ApiGatewayV2httpRequest>("http");
    reads::<aws::apigw::ApiGatewayProxyRequest>("rest-api");
    reads::<aws::apigw::ApiGatewayWebsocketProxyRequest>("websocket-connect");
    reads::<aws::iot::IoTCoreCustomAuthorizerRequest>("authorizer-iot");
    reads::<aws::lambda_function_urls::LambdaFunctionUrlRequest>("function-url");
    reads::<aws::s3::S3Event>("s3-put");
    reads::<aws::s3::batch_job::S3BatchJobEvent>("s3-batch");
    reads::<aws::sns::SnsEvent>("sns");
    reads::<aws::sqs::SqsEvent>("sqs");
    reads::<aws::sqs::SqsEvent>("sqs-fifo");
    reads::<aws::vpc_lattice::VpcLatticeRequestV2>("lattice");
}
