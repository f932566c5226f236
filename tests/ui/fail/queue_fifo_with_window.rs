use eg_runtime::queue;

#[queue("orders.fifo", window = 5)]
async fn handler() {}

fn main() {}
