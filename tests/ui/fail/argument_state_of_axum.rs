use eg_runtime::{axum::extract::State, http};

#[http(GET, "/")]
async fn handler(State(state): State<u32>) {
    let _ = state;
}

fn main() {}
