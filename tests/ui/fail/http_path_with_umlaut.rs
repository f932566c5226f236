use eg_runtime::http;

#[http(GET, "/käufe")]
async fn handler() {}

fn main() {}
