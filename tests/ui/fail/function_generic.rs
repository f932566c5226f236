use eg_runtime::http;

#[http(GET, "/")]
async fn handler<T: Default>() {}

fn main() {}
