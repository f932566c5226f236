use eg_runtime::subscribe;

#[subscribe("a", retry(attempts = "5"))]
async fn handler() {}

fn main() {}
