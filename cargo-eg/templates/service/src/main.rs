//! Creates items over HTTP and announces them with an event.

use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, http, subscribe};
use serde::{Deserialize, Serialize};

/// An item was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("my-service.created")]
struct Created {
    id: String,
    name: String,
}

/// Creates an item and emits `my-service.created`.
#[http(POST, "/my-service")]
async fn create(emit: Emit<Created>, Json(new): Json<Created>) -> Result<Json<Created>, Error> {
    emit.send(new.clone()).await?;
    Ok(Json(new))
}

/// Announces a new item. A failure (`?`) is retried; a rejected event becomes a dead letter.
#[subscribe(Created)]
async fn announce(event: CloudEvent<Created>) -> Result<(), Error> {
    if event.data.name.is_empty() {
        return Err(Error::reject("there is nothing to announce without a name"));
    }
    println!("{} has been created", event.data.name);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}

#[cfg(test)]
mod tests {
    use eg_runtime::testing::{Outcome, TestApp};

    use super::*;

    #[tokio::test]
    async fn what_is_created_is_announced() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        let first = Created {
            id: "1".into(),
            name: "first".into(),
        };
        let answer = app.post("/my-service", &first).await;
        assert_eq!(answer.json::<Created>()?, first);
        assert_eq!(app.emitted::<Created>()?[0].data, first);
        let deliveries = app.settle().await;
        assert_eq!(
            (deliveries[0].function, &deliveries[0].outcome),
            ("announce", &Outcome::Done)
        );
        Ok(())
    }

    #[tokio::test]
    async fn what_has_no_name_becomes_a_dead_letter() -> Result<(), Error> {
        let nameless = Created {
            id: "1".into(),
            name: String::new(),
        };
        let deliveries = TestApp::new(App::new())?.deliver(nameless).await?;
        assert!(matches!(deliveries[0].outcome, Outcome::Rejected(_)));
        Ok(())
    }
}
