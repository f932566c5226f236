//! Registers users.

use eg_runtime::{App, Emit, Error, Json, http};
use events::UserCreated;

/// Registers a user and emits `user.created`.
#[http(POST, "/users")]
async fn create_user(
    emit: Emit<UserCreated>,
    Json(user): Json<UserCreated>,
) -> Result<Json<UserCreated>, Error> {
    emit.send(user.clone()).await?;
    Ok(Json(user))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}

#[cfg(test)]
mod tests {
    use eg_runtime::testing::TestApp;

    use super::*;

    #[tokio::test]
    async fn new_users_are_announced() -> Result<(), Error> {
        let app = TestApp::new(App::new())?;
        let donald = UserCreated {
            id: "10".into(),
            email: "donald@example.com".into(),
        };
        assert_eq!(app.post("/users", &donald).await.status(), 200);
        assert_eq!(app.emitted::<UserCreated>()?[0].data, donald);
        Ok(())
    }
}
