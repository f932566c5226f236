use eg_runtime::invoke;

#[invoke("cognito", retries = 2)]
async fn handle(_payload: u32) {}

fn main() {}
