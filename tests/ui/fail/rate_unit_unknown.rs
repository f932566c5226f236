use eg_runtime::schedule;

#[schedule("rate(30 seconds)")]
async fn handler() {}

fn main() {}
