use eg_runtime::Event;

#[derive(Event)]
#[event = "order.paid"]
struct Paid {}

fn main() {}
