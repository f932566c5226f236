use eg_runtime::subscribe;

#[subscribe("a", retry(max_age = "1d"))]
async fn handler() {}

fn main() {}
