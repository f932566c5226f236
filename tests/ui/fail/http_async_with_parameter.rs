use eg_runtime::http;

#[http(POST, "/users/{id}", mode = "async")]
async fn handler() {}

fn main() {}
