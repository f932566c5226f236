use eg_runtime::{invoke, queue};

#[invoke]
#[queue("orders")]
async fn handle(_payload: u32) {}

fn main() {}
