use eg_runtime::http;

#[http(GET, concat!("/users", "/{id}"))]
async fn handler() {}

fn main() {}
