use eg_runtime::http;

#[http(GET, "/", timeout = "30sec")]
async fn handler() {}

fn main() {}
