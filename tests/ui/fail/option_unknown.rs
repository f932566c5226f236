use eg_runtime::http;

#[http(GET, "/users", nme = "list")]
async fn handler() {}

fn main() {}
