use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[schema(as)]
    a: u8,
    #[schema(format)]
    b: u8,
}

fn main() {}
