use eg_runtime::http;

#[http(GET, "/users/{id}/orders/{id}")]
async fn handler() {}

fn main() {}
