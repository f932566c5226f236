use eg_runtime::http;

#[http(ALL, "/")]
async fn handler() {}

fn main() {}
