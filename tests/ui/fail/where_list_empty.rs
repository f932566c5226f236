use eg_runtime::subscribe;

#[subscribe("order.placed", where(data.country in []))]
async fn check() {}

fn main() {}
