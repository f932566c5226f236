use eg_runtime::http;

#[http(POST)]
async fn handler() {}

fn main() {}
