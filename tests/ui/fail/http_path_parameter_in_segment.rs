use eg_runtime::http;

#[http(GET, "/users/{id}.json")]
async fn handler() {}

fn main() {}
