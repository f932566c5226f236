use eg_runtime::subscribe;

#[subscribe("order.placed", where(subject == 5))]
async fn check() {}

fn main() {}
