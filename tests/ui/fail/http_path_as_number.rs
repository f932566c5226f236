use eg_runtime::http;

#[http(GET, 5)]
async fn handler() {}

fn main() {}
