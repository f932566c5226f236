use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[serde(rename(serialize = "x", deserialize = "y"))]
    a: u8,
    #[serde(rename(serialize = "x"))]
    b: u8,
}

fn main() {}
