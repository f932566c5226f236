use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.lines[0].sku == "a"))]
async fn check() {}

fn main() {}
