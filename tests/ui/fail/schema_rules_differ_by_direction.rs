use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
#[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"))]
struct A {
    a: u8,
}

fn main() {}
