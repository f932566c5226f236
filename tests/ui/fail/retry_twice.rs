use eg_runtime::subscribe;

#[subscribe("a", retry(attempts = 5), retry(max_age = 60))]
async fn handler() {}

fn main() {}
