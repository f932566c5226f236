use eg_runtime::Event;

#[derive(Event)]
#[event(OrderPaid)]
struct Paid {}

fn main() {}
