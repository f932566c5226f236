use eg_runtime::{Context, invoke};

#[derive(serde::Deserialize)]
struct SignUp {}

#[invoke]
async fn handle(_event: SignUp, _context: Context) {}

fn main() {}
