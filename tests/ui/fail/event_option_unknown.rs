use eg_runtime::Event;

#[derive(serde::Serialize, Event)]
#[event("user.created", sorce = "/users")]
struct UserCreated {}

fn main() {}
