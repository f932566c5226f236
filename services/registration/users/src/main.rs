//! Registers and returns users, and accepts the one event that browsers may emit.

mod form;
mod users;

use eg_runtime::{
    App, CloudEvent, Emit, Error, Event as _, IntoResponse, Json, Path, Response, State, StatusCode, http,
    schedule, subscribe,
};
use form::{Form, Posted, Refusal};
use registration_events::{UserClicked, UserCreated, UserRegistered};
use serde_json::json;
use service_storage::Store;
use users::{Profile, Registered, Registrant, User, Users};
use uuid::Uuid;

/// The source of click events. The service sets it, not the browser.
const BROWSER: &str = "/web";

/// Registers a user, by profile or by email address.
#[http(POST, "/users", cors(origins = ["http://localhost:*", "http://127.0.0.1:*"]))]
async fn create_user(
    State(users): State<Users>,
    emit: Emit<(UserCreated, UserRegistered)>,
    Json(form): Json<Form>,
) -> Result<Response, Error> {
    match form.read() {
        Ok(Posted::Profile(profile)) => {
            users.put(&profile, &emit, emit.stage(created(&profile))?).await?;
            Ok(Json(profile).into_response())
        }
        Ok(Posted::Registration(registrant)) => {
            let user = Registered { id: Uuid::now_v7().to_string(), registrant };
            let session = Uuid::new_v4().simple().to_string();
            let registered = registered(&user, &session);
            users.register(&user, &session, &emit, emit.stage(registered.clone())?).await?;
            // The answer is the event's payload.
            Ok(Json(registered).into_response())
        }
        Err(refusal) => Ok(refusal.into_response()),
    }
}

/// Returns a user.
#[http(GET, "/users/{id}")]
async fn get_user(State(users): State<Users>, Path(id): Path<String>) -> Result<Json<User>, Error> {
    match users.get(&id).await? {
        Some(user) => Ok(Json(user)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("Could not retrieve user with ID {id}"))),
    }
}

/// Accepts clicks from browsers and emits those with a known session.
///
/// CORS applies per path, so browsers get a separate path whose only subscription is this one. Clicks without a known
/// session are refused.
#[http(POST, "/clicks", cors(origins = ["http://localhost:*", "http://127.0.0.1:*"], headers = ["Content-Type", "Event"]))]
#[subscribe(UserClicked, mode = "sync", path = "/clicks")]
async fn accept_click(
    State(users): State<Users>,
    emit: Emit<UserClicked>,
    click: CloudEvent<UserClicked>,
) -> Result<StatusCode, Error> {
    if click.ty() != UserClicked::TYPE {
        let message = format!("browsers may emit {} only, not {}", UserClicked::TYPE, click.ty());
        return Err(Error::status(StatusCode::FORBIDDEN, message));
    }
    if !users.has_session(&click.data.session).await? {
        return Err(Error::status(StatusCode::FORBIDDEN, "the session is unknown: register first"));
    }
    let id = click.id().to_owned();
    emit.send_event(CloudEvent::new(BROWSER, click.data).with_id(id)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Emits the stored events that could not be emitted earlier.
#[schedule("rate(1 minute)")]
async fn send_unsent(
    State(users): State<Users>,
    emit: Emit<(UserCreated, UserRegistered)>,
) -> Result<(), Error> {
    users.send_unsent(&emit).await
}

fn created(profile: &Profile) -> UserCreated {
    let Profile { id, first_name, last_name, email } = profile.clone();
    UserCreated { id, first_name, last_name, email }
}

fn registered(user: &Registered, session: &str) -> UserRegistered {
    let Registered { id, registrant: Registrant { email, name } } = user.clone();
    UserRegistered { id, session: session.to_owned(), email, name }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = match self {
            Self::MissingField => json!({"errors": ["Invalid request. Missing required field."]}),
            Self::EmailRequired => json!({"message": "Email is required"}),
        };
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("users", "USERS_TABLE").await?;
    App::new().state(Users::new(store)).run().await
}

#[cfg(test)]
mod tests;
