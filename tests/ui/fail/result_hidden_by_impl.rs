use eg_runtime::{IntoResponse, http, schedule, subscribe};

#[subscribe("a")]
async fn event() -> impl IntoResponse {
    Err::<(), String>("hidden".to_owned())
}

#[schedule("rate(1 day)")]
async fn scheduled() -> impl IntoResponse {}

#[http(POST, "/", mode = "async")]
async fn request() -> impl IntoResponse {}

fn main() {}
