use eg_runtime::http;

#[http(GET, "/", timeout = -1)]
async fn handler() {}

fn main() {}
