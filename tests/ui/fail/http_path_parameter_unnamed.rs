use eg_runtime::http;

#[http(GET, "/users/{}")]
async fn handler() {}

fn main() {}
