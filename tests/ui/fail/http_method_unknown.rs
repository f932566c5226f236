use eg_runtime::http;

#[http(FETCH, "/users")]
async fn handler() {}

fn main() {}
