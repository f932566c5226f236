use eg_runtime::subscribe;

#[subscribe("user.created", path = "users")]
async fn handler() {}

fn main() {}
