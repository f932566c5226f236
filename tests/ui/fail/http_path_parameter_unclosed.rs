use eg_runtime::http;

#[http(GET, "/users/{id")]
async fn handler() {}

fn main() {}
