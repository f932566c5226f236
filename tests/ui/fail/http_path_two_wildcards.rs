use eg_runtime::http;

#[http(GET, "/{*first}/{*second}")]
async fn handler() {}

fn main() {}
