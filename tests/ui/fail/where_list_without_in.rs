use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.country == ["DE", "AT"]))]
async fn check() {}

fn main() {}
