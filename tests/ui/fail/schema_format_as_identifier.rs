use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[schema(format = date)]
    a: String,
}

fn main() {}
