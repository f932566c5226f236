use eg_runtime::http;

struct Tokens;

#[http(GET, "/orders", authorizer = Tokens)]
async fn orders() {}

fn main() {}
