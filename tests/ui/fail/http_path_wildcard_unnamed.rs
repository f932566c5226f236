use eg_runtime::http;

#[http(GET, "/files/*")]
async fn handler() {}

fn main() {}
