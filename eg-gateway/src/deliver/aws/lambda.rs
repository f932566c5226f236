//! Calls functions of the `awslambda` provider through the Invoke API, with AWS's own client. `clients` provides the
//! client.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use bytes::Bytes;
use eg_sdk::TraceContext;
use eg_sdk::config::Aws;

use super::clients::{Clients, Shared, refused};
use crate::decide::{delivery, trace};
use crate::deliver::{CallError, PERMANENT_OF_LAMBDA};

/// Calls Lambda functions.
pub(super) struct LambdaCaller {
    clients: Clients<Client>,
}

impl LambdaCaller {
    pub(super) fn new(shared: &Arc<Shared>, endpoint: Option<String>) -> Self {
        Self { clients: Clients::new(shared, endpoint) }
    }

    pub(super) async fn call(
        &self,
        arn: &str,
        aws: &Aws,
        event: Bytes,
        span: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let client = self.clients.get(aws, Client::new).await;
        let invoke = client.invoke().function_name(arn).payload(Blob::new(event));
        let x_ray = trace::x_ray(span);
        let invoke = invoke.customize().mutate_request(move |request| {
            request.headers_mut().insert("x-amzn-trace-id", x_ray.clone());
        });
        let output = invoke.send().await.map_err(|e| refused(&e, &PERMANENT_OF_LAMBDA))?;
        let payload = output.payload.map(|payload| Bytes::from(payload.into_inner())).unwrap_or_default();
        match output.function_error {
            None => Ok(payload),
            Some(error) => Err(CallError::Failed(delivery::of_lambda_error(&error, &payload))),
        }
    }
}
