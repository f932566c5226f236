use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct A(u8, #[serde(skip)] u8, #[serde(default)] u8);

fn main() {}
