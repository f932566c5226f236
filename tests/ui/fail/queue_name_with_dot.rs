use eg_runtime::queue;

#[queue("orders.v2")]
async fn handler() {}

fn main() {}
