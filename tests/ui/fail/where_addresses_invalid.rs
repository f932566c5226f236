use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.ip in cidr("10.0.0.0")))]
async fn check() {}

fn main() {}
