use eg_runtime::subscribe;

#[subscribe(eventbridge)]
async fn handler(_event: eg_runtime::CloudEvent<u32>) {}

fn main() {}
