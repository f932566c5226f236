use eg_runtime::queue;

#[queue("orders", batch_size = 100)]
async fn handler() {}

fn main() {}
