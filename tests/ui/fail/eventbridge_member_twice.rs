use eg_runtime::subscribe;

#[subscribe(eventbridge(source = "aws.s3", detail_type = "Object Created", detail = {"bucket": {"name": ["a"], "name": ["b"]}}))]
async fn handler(_event: eg_runtime::CloudEvent<u32>) {}

fn main() {}
