use eg_runtime::subscribe;

#[subscribe("a", retry = 5)]
async fn handler() {}

fn main() {}
