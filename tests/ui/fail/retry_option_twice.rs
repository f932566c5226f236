use eg_runtime::subscribe;

#[subscribe("a", retry(attempts = 5, attempts = 6))]
async fn handler() {}

fn main() {}
