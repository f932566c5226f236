use eg_runtime::http;

#[http(GET, "/", cors(credentials = "yes"))]
async fn handler() {}

fn main() {}
