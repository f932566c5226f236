use eg_runtime::Event;

#[derive(serde::Serialize, Event)]
#[event("user/created")]
struct UserCreated {}

fn main() {}
