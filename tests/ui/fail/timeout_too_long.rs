use eg_runtime::http;

#[http(GET, "/", timeout = "16m")]
async fn handler() {}

fn main() {}
