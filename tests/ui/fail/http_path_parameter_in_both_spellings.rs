use eg_runtime::http;

#[http(GET, "/{id}/:id")]
async fn handler() {}

fn main() {}
