use eg_runtime::subscribe;

#[subscribe("a", retry())]
async fn handler() {}

fn main() {}
