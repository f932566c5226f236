use eg_runtime::http;

#[http("/users")]
async fn handler() {}

fn main() {}
