use eg_runtime::Event;

#[derive(Event)]
#[event("order.paid")]
#[event("order.settled")]
struct Paid {}

fn main() {}
