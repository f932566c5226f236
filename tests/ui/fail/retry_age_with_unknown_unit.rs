use eg_runtime::subscribe;

#[subscribe("a", retry(max_age = "1w"))]
async fn handler() {}

fn main() {}
