use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.country > "DE"))]
async fn check() {}

fn main() {}
