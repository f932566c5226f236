use eg_runtime::schedule;

#[schedule("rate(1 day)", "rate(1 day)")]
async fn handler() {}

fn main() {}
