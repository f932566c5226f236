//! The test that the dashboard offers to copy is one. A test of the dashboard compares the file with what a page shows.

use eg_runtime::{CloudEvent, Event, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("user.created")]
struct UserCreated {
    name: String,
}

#[subscribe(UserCreated)]
async fn greet(event: CloudEvent<UserCreated>) {
    assert_eq!(event.data.name, "\"# Donald");
}

include!("goldens/copied_event.rs");
