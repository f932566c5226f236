use eg_runtime::{Path, http};

#[http(GET, "/users/{id}/orders/{order}")]
async fn handler(Path(id): Path<String>) {
    drop(id);
}

fn main() {}
