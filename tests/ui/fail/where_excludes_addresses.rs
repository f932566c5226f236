use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.ip not in cidr("10.0.0.0/8")))]
async fn check() {}

fn main() {}
