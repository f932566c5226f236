use eg_runtime::subscribe;

#[subscribe("user.created", cors)]
async fn handler() {}

fn main() {}
