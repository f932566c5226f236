use eg_runtime::{CloudEvent, Emit, Event, subscribe};

#[derive(serde::Serialize, serde::Deserialize)]
struct ObjectCreated {}

impl Event for ObjectCreated {
    const TYPE: &'static str = "Object Created";
}

#[subscribe(ObjectCreated)]
async fn by_type() {}

#[subscribe("object.created")]
async fn emits(emit: Emit<ObjectCreated>) {
    drop(emit);
}

#[subscribe("object.created")]
async fn receives(event: CloudEvent<ObjectCreated>) {
    drop(event);
}

fn main() {}
