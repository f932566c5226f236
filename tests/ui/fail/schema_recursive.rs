use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
struct Tree {
    children: Vec<Tree>,
}

fn main() {}
