use eg_runtime::stream;

#[stream(kinesis("clicks"), retry(attempts = 3, min_backoff = 1))]
async fn handler(_event: eg_runtime::Json<u32>) {}

fn main() {}
