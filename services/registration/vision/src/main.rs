//! Analyzes the pictures of new users and emits the result.

mod gravatar;
mod vision;

use eg_runtime::{App, CloudEvent, Emit, Error, State, subscribe};
use registration_events::{UserAnnotated, UserRegistered};
use vision::Vision;

/// Analyzes a new user's picture.
#[subscribe(UserRegistered)]
async fn annotate_user(
    State(vision): State<Vision>,
    emit: Emit<UserAnnotated>,
    event: CloudEvent<UserRegistered>,
) -> Result<(), Error> {
    let cause = event.identity();
    let UserRegistered { id, email, .. } = event.data;
    let entities = vision.web_entities(&gravatar::url(&email)).await?;
    println!("{email}: {}", if entities.is_empty() { "nothing".to_owned() } else { entities.join(", ") });
    // The id is derived from the cause, so the gateway drops the result of a redelivery as a duplicate.
    let annotated = emit.event(UserAnnotated { id, email, entities }).caused_by(&cause);
    emit.send_event(annotated).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Vision::from_env()?).run().await
}

#[cfg(test)]
mod tests;
