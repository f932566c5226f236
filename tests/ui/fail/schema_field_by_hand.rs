use eg_runtime::Schema;
use serde::{Deserialize, Serialize};

mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &u8, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
        u8::deserialize(from)
    }
}

#[derive(Serialize, Deserialize, Schema)]
struct A {
    #[serde(with = "text")]
    a: u8,
    #[serde(serialize_with = "text::serialize")]
    b: u8,
}

fn main() {}
