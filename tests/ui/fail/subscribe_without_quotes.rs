use eg_runtime::subscribe;

#[subscribe(user.created, retry(attempts = 3))]
async fn handler() {}

fn main() {}
