use eg_runtime::{Emit, Event, http};
use serde::Serialize;

#[derive(Serialize)]
struct Item;

#[derive(Serialize, Event)]
#[event("page")]
struct Page<T> {
    items: Vec<T>,
}

#[http(POST, "/")]
async fn turn(_emit: Emit<Page<Item>>) {}

fn main() {}
