use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Schema)]
enum Tree {
    Leaf,
    Node(Box<Self>),
}

fn main() {}
