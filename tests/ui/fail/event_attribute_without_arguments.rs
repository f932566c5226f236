use eg_runtime::Event;

#[derive(Event)]
#[event]
struct Paid {}

fn main() {}
