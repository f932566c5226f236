use eg_runtime::Event;

#[derive(serde::Serialize, Event)]
struct UserCreated {}

fn main() {}
