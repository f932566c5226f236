use eg_runtime::schedule;

#[schedule("cron(0 12 * * ? 1969)")]
async fn handler() {}

fn main() {}
