use eg_runtime::subscribe;

#[subscribe("a", mode = "sync", retry(attempts = 5))]
async fn handler() {}

fn main() {}
