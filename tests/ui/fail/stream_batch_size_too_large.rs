use eg_runtime::stream;

#[stream(kafka("orders"), batch_size = 10001)]
async fn handler(_event: eg_runtime::Json<u32>) {}

fn main() {}
