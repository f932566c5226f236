use eg_runtime::http;

#[http(GET, "/users#list")]
async fn handler() {}

fn main() {}
