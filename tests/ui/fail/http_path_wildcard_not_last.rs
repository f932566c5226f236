use eg_runtime::http;

#[http(GET, "/files/{*rest}/meta")]
async fn handler() {}

fn main() {}
