use eg_runtime::queue;

#[queue("orders", window = "6m")]
async fn handler() {}

fn main() {}
