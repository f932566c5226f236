use eg_runtime::{Path, http};

#[http(GET, "/users/{id}")]
async fn handler(Path((id, order)): Path<(String, String)>) {
    drop((id, order));
}

fn main() {}
