use eg_runtime::Event;

#[derive(Event)]
#[event("user.created")]
union UserCreated {
    a: u8,
    b: u8,
}

fn main() {}
