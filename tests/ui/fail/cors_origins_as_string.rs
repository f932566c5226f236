use eg_runtime::http;

#[http(GET, "/", cors(origins = "https://a.example"))]
async fn handler() {}

fn main() {}
