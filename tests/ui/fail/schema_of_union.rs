use eg_runtime::Schema;

#[derive(Schema)]
union Either {
    a: u8,
    b: i8,
}

fn main() {}
