use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.key starts_with ""))]
async fn check() {}

fn main() {}
