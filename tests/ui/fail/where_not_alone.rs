use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.country not))]
async fn check() {}

fn main() {}
