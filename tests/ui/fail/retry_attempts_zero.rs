use eg_runtime::subscribe;

#[subscribe("a", retry(attempts = 0))]
async fn handler() {}

fn main() {}
