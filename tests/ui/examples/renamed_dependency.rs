//! The runtime under another name.
use eg_runtime as eg;

/// An event.
#[derive(serde::Serialize, eg::Event)]
#[event("a", crate = eg)]
struct A {}

#[eg::http(GET, "/", crate = eg)]
async fn handler(emit: eg::Emit<A>) -> Result<(), eg::Error> {
    emit.send(A {}).await?;
    Ok(())
}

fn main() {}
