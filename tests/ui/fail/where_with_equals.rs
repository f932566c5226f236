use eg_runtime::subscribe;

#[subscribe("order.placed", where = "data.amount > 500")]
async fn check() {}

fn main() {}
