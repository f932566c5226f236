use eg_runtime::http;

#[http(GET, "/", cors(origins = ["https://a.example"], origins = []))]
async fn handler() {}

fn main() {}
