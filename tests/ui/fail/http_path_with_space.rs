use eg_runtime::http;

#[http(GET, "/my users")]
async fn handler() {}

fn main() {}
