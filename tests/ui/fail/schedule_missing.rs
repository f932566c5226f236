use eg_runtime::schedule;

#[schedule]
async fn handler() {}

fn main() {}
