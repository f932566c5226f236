use eg_runtime::Event;

#[derive(Event)]
#[event("a", schema = "false")]
struct A {}

fn main() {}
