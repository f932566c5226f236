use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[schema(any, as = String)]
    a: u8,
}

fn main() {}
