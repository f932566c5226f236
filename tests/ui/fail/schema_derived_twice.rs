use eg_runtime::{Event, Schema};
use serde::Serialize;

#[derive(Serialize, Event, Schema)]
#[event("a")]
struct A {}

fn main() {}
