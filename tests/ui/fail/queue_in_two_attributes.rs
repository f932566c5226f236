use eg_runtime::queue;

#[queue("orders")]
#[queue("orders")]
async fn handler() {}

fn main() {}
