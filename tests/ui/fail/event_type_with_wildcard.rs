use eg_runtime::subscribe;

#[subscribe("user.*")]
async fn handler() {}

fn main() {}
