use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.n == 12345678901234567890123))]
async fn check() {}

fn main() {}
