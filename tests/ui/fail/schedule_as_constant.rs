use eg_runtime::schedule;

const DAILY: &str = "rate(1 day)";

#[schedule(DAILY)]
async fn handler() {}

fn main() {}
