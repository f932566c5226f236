use eg_runtime::http;

#[http(GET, "/")]
async fn größe_von() {}

fn main() {}
