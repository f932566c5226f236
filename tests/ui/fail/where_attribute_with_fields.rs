use eg_runtime::subscribe;

#[subscribe("order.placed", where(source.name == "shop"))]
async fn check() {}

fn main() {}
