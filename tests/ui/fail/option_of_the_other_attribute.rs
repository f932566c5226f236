use eg_runtime::http;

#[http(GET, "/users", method = POST)]
async fn handler() {}

fn main() {}
