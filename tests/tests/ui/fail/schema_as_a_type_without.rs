use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[schema(as = B)]
    a: u8,
}

struct B;

fn main() {}
