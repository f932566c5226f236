use eg_runtime::Event;

#[derive(Event)]
#[event("order.paid", source = orders)]
struct Paid {}

fn main() {}
