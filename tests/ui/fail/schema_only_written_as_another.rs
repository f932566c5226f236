use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
#[serde(into = "u8")]
#[derive(Clone)]
struct A {
    a: u8,
}

impl From<A> for u8 {
    fn from(a: A) -> Self {
        a.a
    }
}

fn main() {}
