use eg_runtime::schedule;

#[schedule("rate(0 minutes)")]
async fn handler() {}

fn main() {}
