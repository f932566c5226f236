use eg_runtime::queue;

#[queue("orders", window = "1h")]
async fn handler() {}

fn main() {}
