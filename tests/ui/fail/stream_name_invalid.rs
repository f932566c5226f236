use eg_runtime::stream;

#[stream(dynamodb("arn:aws:dynamodb:x"))]
async fn handler(_event: eg_runtime::Json<u32>) {}

fn main() {}
