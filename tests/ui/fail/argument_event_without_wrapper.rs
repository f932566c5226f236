use eg_runtime::{Event, subscribe};

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event("user.created")]
struct UserCreated {}

#[subscribe(UserCreated)]
async fn handler(event: UserCreated) {
    drop(event);
}

fn main() {}
