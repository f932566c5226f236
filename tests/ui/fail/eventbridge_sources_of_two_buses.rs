use eg_runtime::subscribe;

#[subscribe(eventbridge(source = ["aws.s3", "/services/pictures"], detail_type = "Object Created"))]
async fn handler(_event: eg_runtime::CloudEvent<u32>) {}

fn main() {}
