use eg_runtime::http;

#[http(GET, POST, "/")]
async fn handler() {}

fn main() {}
