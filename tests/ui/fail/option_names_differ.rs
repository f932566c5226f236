use eg_runtime::{http, subscribe};

#[subscribe("a", name = "x")]
#[http(GET, "/", name = "y")]
async fn handler() {}

fn main() {}
