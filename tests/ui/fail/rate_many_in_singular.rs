use eg_runtime::schedule;

#[schedule("rate(5 minute)")]
async fn handler() {}

fn main() {}
