use eg_runtime::queue;

#[queue("orders", batch_size = 10001, window = 5)]
async fn handler() {}

fn main() {}
