use eg_runtime::{CloudEvent, Event, Json, subscribe};

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event("user.created")]
struct UserCreated {}

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event("user.deleted")]
struct UserDeleted {}

type Deleted = CloudEvent<UserDeleted>;

#[subscribe(UserCreated)]
async fn by_type(event: CloudEvent<UserDeleted>) {
    drop(event);
}

#[subscribe("user.created", "user.renamed")]
async fn by_name(event: Deleted) {
    drop(event);
}

#[subscribe(UserCreated)]
async fn payload(Json(user): Json<UserDeleted>) {
    drop(user);
}

fn main() {}
