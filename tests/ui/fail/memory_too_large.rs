use eg_runtime::http;

#[http(GET, "/", memory = 20480)]
async fn handler() {}

fn main() {}
