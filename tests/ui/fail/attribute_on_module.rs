use eg_runtime::http;

#[http(GET, "/")]
mod handler {}

fn main() {}
