use eg_runtime::subscribe;

#[subscribe("a", retry(min_backoff = "5m", max_backoff = 60))]
async fn handler() {}

fn main() {}
