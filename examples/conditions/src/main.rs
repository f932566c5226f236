//! Functions that want some events of a type only.
//!
//! ```text
//! $ cargo eg run examples/conditions
//! $ cargo eg emit --event parcel.sent --data '{"grams":700,"country":"CH","insurance":"full"}'
//! Event emitted: parcel.sent
//! id: …
//! ```
//!
//! The first terminal shows that one function gets the event, and why the other one does not:
//!
//! ```text
//! … parcel.sent … → conditions-declare delivered …
//! … parcel.sent … → conditions-charge filtered out: its filter on data.grams does not match
//! ```

use eg_runtime::{App, CloudEvent, Error, Event, Schema, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("parcel.sent")]
struct ParcelSent {
    grams: u32,
    country: String,
    insurance: Insurance,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum Insurance {
    None,
    Basic,
    Full,
}

/// Declares parcels for customs. A misspelt field, or a value that `Insurance` does not have, does not compile.
#[subscribe(ParcelSent, where(data.country not in ["DE", "AT"], data.insurance != "none"))]
async fn declare(event: CloudEvent<ParcelSent>) {
    println!("a parcel to {} with {:?} insurance", event.data.country, event.data.insurance);
}

/// Charges for weight, unless a tenant pays. `tenant` is an extension of the event.
#[subscribe(ParcelSent, where(data.grams > 1000, tenant not exists))]
async fn charge(event: CloudEvent<ParcelSent>) {
    println!("{} grams cost extra", event.data.grams);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
