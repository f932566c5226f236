use eg_runtime::subscribe;

#[subscribe("user.created", method = "PUT")]
async fn handler() {}

fn main() {}
