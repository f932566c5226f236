use eg_runtime::http;

#[http(GET, "/", crate = "eg_runtime")]
async fn handler() {}

fn main() {}
