use eg_runtime::http;

#[http(GET, "/", name = 5)]
async fn handler() {}

fn main() {}
