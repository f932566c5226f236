use eg_runtime::http;

#[http(GET, "/", cors = true)]
async fn handler() {}

fn main() {}
