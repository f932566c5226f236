use eg_runtime::http;

#[http(GET, "/orders", authorizer = "check_token")]
async fn orders() {}

fn main() {}
