use eg_runtime::queue;

#[queue("orders", window = "5x")]
async fn handler() {}

fn main() {}
