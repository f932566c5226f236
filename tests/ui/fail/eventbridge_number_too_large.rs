use eg_runtime::subscribe;

#[subscribe(eventbridge(source = "aws.s3", detail_type = "Object Created", detail = {"object": {"size": [12345678901234567890123, {"numeric": [">", 1e999]}]}}))]
async fn handler(_event: eg_runtime::CloudEvent<u32>) {}

fn main() {}
