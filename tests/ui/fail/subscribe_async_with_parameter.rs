use eg_runtime::subscribe;

#[subscribe("user.created", path = "/users/{id}")]
async fn handler() {}

fn main() {}
