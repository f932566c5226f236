use eg_runtime::http;

#[http(GET, "/", cors(origin = ["*"]))]
async fn handler() {}

fn main() {}
