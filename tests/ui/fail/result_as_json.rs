use eg_runtime::{Json, http};

#[http(GET, "/")]
async fn handler() -> Json<Result<u8, String>> {
    Json(Ok(1))
}

fn main() {}
