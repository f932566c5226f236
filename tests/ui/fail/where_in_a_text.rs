use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.country in "DE"))]
async fn check() {}

fn main() {}
