use eg_runtime::http;

#[http(GET, "/", cors(methods = [GET]))]
async fn handler() {}

fn main() {}
