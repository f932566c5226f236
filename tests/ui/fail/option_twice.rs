use eg_runtime::subscribe;

#[subscribe("a", name = "x", name = "y")]
async fn handler() {}

fn main() {}
