use eg_runtime::queue;

#[queue]
async fn handler() {}

fn main() {}
