use eg_runtime::subscribe;

#[subscribe("a", name = "send mail")]
async fn handler() {}

fn main() {}
