use eg_runtime::{Json, invoke};

struct SignUp;

#[invoke]
async fn handle(_event: SignUp) {}

#[invoke]
async fn handle_json(_event: Json<SignUp>) {}

fn main() {}
