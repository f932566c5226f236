use eg_runtime::{CloudEvent, subscribe};

#[event("user.created")]
#[derive(serde::Deserialize)]
struct UserCreated {}

#[subscribe("user.created")]
async fn handler(event: CloudEvent<UserCreated>) {
    drop(event);
}

fn main() {}
