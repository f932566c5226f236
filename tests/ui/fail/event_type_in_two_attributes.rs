use eg_runtime::subscribe;

#[subscribe("user.created")]
#[subscribe("user.deleted", "user.created")]
async fn handler() {}

fn main() {}
