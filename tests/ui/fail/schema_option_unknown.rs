use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[schema(is = String)]
    a: u8,
}

fn main() {}
