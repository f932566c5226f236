use eg_runtime::{http, subscribe};

#[http(GET, "users")]
#[subscribe("user created", mode = "later")]
async fn handler() {}

fn main() {}
