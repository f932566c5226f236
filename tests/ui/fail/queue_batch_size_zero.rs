use eg_runtime::queue;

#[queue("orders", batch_size = 0)]
async fn handler() {}

fn main() {}
