use eg_runtime::queue;

#[queue("orders.fifo", batch_size = 11)]
async fn handler() {}

fn main() {}
