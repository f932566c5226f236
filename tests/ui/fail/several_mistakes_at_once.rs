use eg_runtime::http;

#[http(GETT, "users", nme = "x")]
fn handler<T>() {}

fn main() {}
