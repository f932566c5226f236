use eg_runtime::Event;

#[derive(Event)]
#[event("order.paid", source = "")]
struct Paid {}

fn main() {}
