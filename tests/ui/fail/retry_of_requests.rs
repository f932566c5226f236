use eg_runtime::http;

#[http(POST, "/", retry(attempts = 5))]
async fn handler() {}

fn main() {}
