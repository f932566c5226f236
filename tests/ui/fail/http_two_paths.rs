use eg_runtime::http;

#[http(GET, "/a", "/b")]
async fn handler() {}

fn main() {}
