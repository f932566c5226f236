use eg_runtime::http;

#[http(GET, "/")]
struct Handler;

fn main() {}
