use eg_runtime::http;

#[http(TRACE, "/")]
async fn handler() {}

fn main() {}
