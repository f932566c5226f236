use eg_runtime::http;

#[http(ANY, "/")]
async fn handler() {}

fn main() {}
