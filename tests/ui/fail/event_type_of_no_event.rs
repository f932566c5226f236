use eg_runtime::subscribe;

struct UserCreated;

#[subscribe(UserCreated)]
async fn handler() {}

fn main() {}
