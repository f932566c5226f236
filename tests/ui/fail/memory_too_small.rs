use eg_runtime::http;

#[http(GET, "/", memory = 64)]
async fn handler() {}

fn main() {}
