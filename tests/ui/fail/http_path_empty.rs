use eg_runtime::http;

#[http(GET, "")]
async fn handler() {}

fn main() {}
