use eg_runtime::http;

#[http(GET, "/", cors(credentials = true))]
async fn f() {}

#[http(GET, "/", cors(origins = ["https://a.example", "*"], credentials = true))]
async fn g() {}

fn main() {}
