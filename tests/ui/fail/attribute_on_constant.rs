use eg_runtime::http;

#[http(GET, "/")]
const HANDLER: u8 = 1;

fn main() {}
