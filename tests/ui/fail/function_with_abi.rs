use eg_runtime::http;

#[http(GET, "/")]
async extern "C" fn handler() {}

fn main() {}
