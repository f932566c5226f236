use eg_runtime::http;

#[http(GET, "/", timeout = 0)]
async fn handler() {}

fn main() {}
