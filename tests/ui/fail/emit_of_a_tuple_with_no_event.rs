use eg_runtime::subscribe;

#[derive(eg_runtime::Event)]
#[event("order.paid")]
struct Paid {}

#[subscribe("order.paid")]
async fn ship(emit: eg_runtime::Emit<(Paid, u8)>) {
    drop(emit);
}

fn main() {}
