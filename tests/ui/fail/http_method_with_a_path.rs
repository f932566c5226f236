use eg_runtime::http;

#[http(method::POST, "/")]
async fn handler() {}

fn main() {}
