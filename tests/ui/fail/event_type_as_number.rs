use eg_runtime::subscribe;

#[subscribe(5)]
async fn handler() {}

fn main() {}
