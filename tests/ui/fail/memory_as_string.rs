use eg_runtime::http;

#[http(GET, "/", memory = "512 MB")]
async fn handler() {}

fn main() {}
