use eg_runtime::queue;

#[queue("arn:aws:sqs:eu-central-1:123456789012:orders")]
async fn handler() {}

fn main() {}
