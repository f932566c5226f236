use eg_runtime::http as route;

#[route(GET, "/a")]
#[route(GET, "/b")]
async fn handler() {}

fn main() {}
