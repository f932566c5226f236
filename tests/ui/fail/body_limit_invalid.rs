use eg_runtime::http;

#[http(POST, "/a", body_limit = "1 MB")]
async fn unit() {}

#[http(POST, "/b", body_limit = 0)]
async fn zero() {}

#[http(POST, "/c", body_limit = "1MiB")]
#[http(POST, "/d", body_limit = "2MiB")]
async fn differ() {}

fn main() {}
