use eg_runtime::queue;

#[queue("orders", "returns")]
async fn handler() {}

fn main() {}
