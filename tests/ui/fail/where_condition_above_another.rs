use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.order exists, data.order.id == 5))]
async fn check() {}

fn main() {}
