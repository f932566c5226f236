use eg_runtime::stream;

#[stream(kinesis = "clicks")]
async fn handler(_record: eg_runtime::CloudEvent<u32>) {}

fn main() {}
