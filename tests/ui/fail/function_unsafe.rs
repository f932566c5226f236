use eg_runtime::http;

#[http(GET, "/")]
async unsafe fn handler() {}

fn main() {}
