use eg_runtime::http;

#[http(post, "/users")]
async fn handler() {}

fn main() {}
