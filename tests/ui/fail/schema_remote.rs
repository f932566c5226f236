use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

mod other {
    pub struct Point {
        pub x: u8,
    }
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(remote = "other::Point")]
struct Point {
    x: u8,
}

fn main() {}
