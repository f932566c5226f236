use eg_runtime::stream;

#[stream(kinesis(clicks))]
async fn handler(_event: eg_runtime::Json<u32>) {}

fn main() {}
