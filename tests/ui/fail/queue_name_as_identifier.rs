use eg_runtime::queue;

#[queue(orders)]
async fn handler() {}

fn main() {}
