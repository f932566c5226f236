use eg_runtime::schedule;

#[schedule("rate(1.5 hours)")]
async fn handler() {}

fn main() {}
