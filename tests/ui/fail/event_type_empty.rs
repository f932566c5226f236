use eg_runtime::subscribe;

#[subscribe("")]
async fn handler() {}

fn main() {}
