use eg_runtime::Event;

#[derive(Event)]
#[event("order.paid", source = "/a", source = "/b")]
struct Paid {}

fn main() {}
