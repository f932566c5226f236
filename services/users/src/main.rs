//! Registers users and reads them back.

mod store;

use eg_runtime::{App, Emit, Error, Json, Path, State, StatusCode, http};
use store::Users;
use user_events::UserCreated;

/// A user as posted: every field is needed, and none may be empty.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewUser {
    id: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
}

impl NewUser {
    fn complete(self) -> Result<store::User, Error> {
        let field = |value: Option<String>| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| {
                Error::status(StatusCode::BAD_REQUEST, "Invalid request. Missing required field.")
            })
        };
        Ok(store::User {
            id: field(self.id)?,
            first_name: field(self.first_name)?,
            last_name: field(self.last_name)?,
            email: field(self.email)?,
        })
    }
}

/// Registers a user.
#[http(POST, "/users")]
async fn create_user(
    State(users): State<Users>,
    emit: Emit<UserCreated>,
    Json(new): Json<NewUser>,
) -> Result<Json<store::User>, Error> {
    let user = new.complete()?;
    users.put(&user)?;
    emit.send(UserCreated {
        id: user.id.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        email: user.email.clone(),
    })
    .await?;
    Ok(Json(user))
}

/// Reads a user.
#[http(GET, "/users/{id}")]
async fn get_user(State(users): State<Users>, Path(id): Path<String>) -> Result<Json<store::User>, Error> {
    match users.get(&id)? {
        Some(user) => Ok(Json(user)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("Could not retrieve user with ID {id}"))),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Users::open()?).run().await
}
