use eg_runtime::subscribe;

#[subscribe("a", "a")]
async fn handler() {}

fn main() {}
