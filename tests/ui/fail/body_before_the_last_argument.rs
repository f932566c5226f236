use eg_runtime::{Json, Path, http};

#[http(POST, "/{id}")]
async fn handler(Json(body): Json<String>, Path(id): Path<String>) {
    drop((body, id));
}

fn main() {}
