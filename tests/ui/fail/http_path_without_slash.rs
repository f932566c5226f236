use eg_runtime::http;

#[http(POST, "users")]
async fn handler() {}

fn main() {}
