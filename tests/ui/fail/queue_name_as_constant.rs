use eg_runtime::queue;

const ORDERS: &str = "orders";

#[queue(ORDERS)]
async fn handler() {}

fn main() {}
