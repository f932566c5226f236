use eg_runtime::subscribe;

#[subscribe("user.created", method = FETCH)]
async fn handler() {}

fn main() {}
