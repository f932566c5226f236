use eg_runtime::stream;

#[stream(batch_size = 10)]
async fn handler(_event: eg_runtime::Json<u32>) {}

fn main() {}
