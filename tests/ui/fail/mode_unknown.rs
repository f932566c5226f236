use eg_runtime::subscribe;

#[subscribe("a", mode = "asinc")]
async fn handler() {}

fn main() {}
