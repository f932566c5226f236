use eg_runtime::http;

#[http]
async fn handler() {}

fn main() {}
