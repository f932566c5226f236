use eg_runtime::subscribe;

#[subscribe("order.placed", ordered = true)]
async fn check() {}

fn main() {}
