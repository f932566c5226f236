use eg_runtime::stream;

#[stream(dynamo("orders"))]
async fn handler(_event: eg_runtime::Json<u32>) {}

fn main() {}
