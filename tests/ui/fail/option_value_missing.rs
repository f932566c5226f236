use eg_runtime::http;

#[http(GET, "/", name =)]
async fn handler() {}

fn main() {}
