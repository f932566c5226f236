use eg_runtime::subscribe;

#[subscribe("a", retry(attempt = 5))]
async fn handler() {}

fn main() {}
