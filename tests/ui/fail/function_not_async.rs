use eg_runtime::http;

#[http(GET, "/")]
fn handler() {}

fn main() {}
