use eg_runtime::http;

#[http(GET, "/", cors(origins = ["app.example", "null", "https://*", "https://app.example/"]))]
async fn f() {}

fn main() {}
