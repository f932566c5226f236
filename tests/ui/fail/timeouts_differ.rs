use eg_runtime::http;

#[http(GET, "/a", timeout = 5)]
#[http(GET, "/b", timeout = "6s")]
async fn handler() {}

fn main() {}
