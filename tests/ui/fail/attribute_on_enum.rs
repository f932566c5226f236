use eg_runtime::http;

#[http(GET, "/")]
enum Handler {}

fn main() {}
