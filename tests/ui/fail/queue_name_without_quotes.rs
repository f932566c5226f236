use eg_runtime::queue;

#[queue(orders-new.fifo)]
async fn handler() {}

fn main() {}
