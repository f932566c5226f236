use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.sku starts_with "A", data.sku ends_with "Z"))]
async fn check() {}

fn main() {}
