use eg_runtime::http;

#[http(GET, "/users?page=1")]
async fn handler() {}

fn main() {}
