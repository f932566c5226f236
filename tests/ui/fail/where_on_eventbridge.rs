use eg_runtime::subscribe;

#[subscribe(eventbridge(source = "aws.s3", detail_type = "Object Created"), where(data.size > 0), ordered)]
async fn check() {}

fn main() {}
