use eg_runtime::subscribe;

#[subscribe("a", retry(max_age = 0))]
async fn handler() {}

fn main() {}
