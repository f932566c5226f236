use eg_runtime::schedule;

#[schedule("5 minutes")]
async fn handler() {}

fn main() {}
