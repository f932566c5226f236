use eg_runtime::subscribe;

#[subscribe("user.created", mode = sync)]
async fn handler() {}

fn main() {}
