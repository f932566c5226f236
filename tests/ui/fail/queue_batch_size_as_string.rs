use eg_runtime::queue;

#[queue("orders", batch_size = "10")]
async fn handler() {}

fn main() {}
