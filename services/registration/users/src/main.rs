//! Registers and returns users, accepts the one event that browsers may emit, and keeps a journal of what happens to
//! each user.

mod form;
mod journal;
mod users;

use eg_runtime::{
    App, CloudEvent, Data, Emit, Error, Event as _, HeaderMap, IntoResponse, Json, Path, Response, State,
    StatusCode, http, schedule, subscribe,
};
use form::{Form, Posted, Refusal};
use journal::{Entry, Journal};
use registration_events::{EmailSent, UserAnnotated, UserClicked, UserCreated, UserRegistered};
use serde::Deserialize;
use serde_json::json;
use service_storage::Store;
use users::{Profile, Registered, Registrant, User, Users};
use uuid::Uuid;

/// A registration's answer: the user, and the session that only the user learns.
#[derive(serde::Serialize)]
struct Welcome {
    id: String,
    session: String,
    #[serde(flatten)]
    registrant: Registrant,
}

/// Registers a user, by profile, by email address, or as an account.
#[http(POST, "/users", cors(origins = ["http://localhost:*", "http://127.0.0.1:*"]))]
async fn create_user(
    State(users): State<Users>,
    emit: Emit<(UserCreated, UserRegistered)>,
    Json(form): Json<Form>,
) -> Result<Response, Error> {
    let new = |registrant| Registered { id: Uuid::now_v7().to_string(), registrant };
    match form.read() {
        Ok(Posted::Profile(profile)) => {
            users.put(&profile, &emit, emit.stage(of_profile(&profile))?).await?;
            Ok(Json(profile).into_response())
        }
        Ok(Posted::Account(registrant)) => {
            let user = new(registrant);
            users.register(&user, None, &emit, emit.stage(of_account(&user))?).await?;
            Ok(Json(user).into_response())
        }
        Ok(Posted::Registration(registrant)) => {
            let user = new(registrant);
            let session = Uuid::new_v4().simple().to_string();
            users.register(&user, Some(&session), &emit, emit.stage(registered(&user))?).await?;
            let Registered { id, registrant } = user;
            Ok(Json(Welcome { id, session, registrant }).into_response())
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

/// A click as browsers send it, with the session that proves whose it is.
#[derive(Deserialize)]
struct Click {
    target: String,
    session: String,
}

/// Accepts clicks from browsers and emits those with a known session.
///
/// CORS applies per path, so browsers get a separate path whose only subscription is this one. Clicks without a known
/// session are refused. The emitted event names the user instead of the session.
#[http(POST, "/clicks", cors(origins = ["http://localhost:*", "http://127.0.0.1:*"], headers = ["Content-Type", "Event"]))]
#[subscribe("user.clicked", mode = "sync", path = "/clicks")]
async fn accept_click(
    State(users): State<Users>,
    emit: Emit<UserClicked>,
    click: CloudEvent<Click>,
) -> Result<StatusCode, Error> {
    if click.ty() != UserClicked::TYPE {
        let message = format!("browsers may emit {} only, not {}", UserClicked::TYPE, click.ty());
        return Err(Error::status(StatusCode::FORBIDDEN, message));
    }
    let Some(user) = users.of_session(&click.data.session).await? else {
        return Err(Error::status(StatusCode::FORBIDDEN, "the session is unknown: register first"));
    };
    let cause = click.identity();
    let clicked = UserClicked { target: click.data.target, user };
    emit.send_event(emit.event(clicked).caused_by(&cause)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Notes in users' journals what happens because of them, and which calls fail.
#[subscribe(UserRegistered, UserCreated, UserClicked, UserAnnotated, EmailSent)]
#[subscribe("eventgateway.function.invocationFailed", "eventgateway.delivery.deadLettered")]
async fn keep_journal(State(journal): State<Journal>, event: CloudEvent<Data>) -> Result<(), Error> {
    journal.add(&event).await
}

/// Returns the journal of the user whose session is in the header `Authorization: Bearer …`.
#[http(GET, "/journal", cors(origins = ["http://localhost:*", "http://127.0.0.1:*"], headers = ["Authorization"]))]
async fn read_journal(
    State(users): State<Users>,
    State(journal): State<Journal>,
    headers: HeaderMap,
) -> Result<Json<Vec<Entry>>, Error> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let session = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    match users.of_session(session).await? {
        Some(user) => Ok(Json(journal.of(&user).await?)),
        None => Err(Error::status(StatusCode::UNAUTHORIZED, "the session is unknown: register first")),
    }
}

/// Emits the stored events that could not be emitted earlier.
#[schedule("rate(1 minute)")]
async fn send_unsent(
    State(users): State<Users>,
    emit: Emit<(UserCreated, UserRegistered)>,
) -> Result<(), Error> {
    users.send_unsent(&emit).await
}

fn of_profile(profile: &Profile) -> UserCreated {
    let Profile { id, first_name, last_name, email } = profile.clone();
    UserCreated { id, first_name: Some(first_name), last_name: Some(last_name), name: None, email }
}

fn of_account(user: &Registered) -> UserCreated {
    let Registered { id, registrant: Registrant { email, name } } = user.clone();
    UserCreated { id, first_name: None, last_name: None, name, email }
}

fn registered(user: &Registered) -> UserRegistered {
    let Registered { id, registrant: Registrant { email, name } } = user.clone();
    UserRegistered { id, email, name }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = match self {
            Self::MissingField => json!({"errors": ["Invalid request. Missing required field."]}),
            Self::EmailRequired => json!({"message": "Email is required"}),
            Self::NameNotText => json!({"message": "Name must be text"}),
        };
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("users", "USERS_TABLE").await?;
    App::new().state(Users::new(store.clone())).state(Journal::new(store)).run().await
}

#[cfg(test)]
mod tests;
