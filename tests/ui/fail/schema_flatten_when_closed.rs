use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct A {
    #[serde(flatten)]
    b: B,
}

#[derive(Serialize, Deserialize, Schema)]
struct B {
    c: u8,
}

fn main() {}
