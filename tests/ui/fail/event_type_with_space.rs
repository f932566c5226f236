use eg_runtime::subscribe;

#[subscribe("user created")]
async fn handler() {}

fn main() {}
