use eg_runtime::subscribe;

#[subscribe("order.placed", where(any(data.a == 1, data.b == 1), any(data.c == 1, data.d == 1)))]
async fn check() {}

fn main() {}
