use eg_runtime::schedule;

#[schedule("rate(1 minutes)")]
async fn handler() {}

fn main() {}
