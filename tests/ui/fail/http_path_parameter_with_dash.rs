use eg_runtime::http;

#[http(GET, "/users/{user-id}")]
async fn handler() {}

fn main() {}
