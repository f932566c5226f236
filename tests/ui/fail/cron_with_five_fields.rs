use eg_runtime::schedule;

#[schedule("cron(0 12 * * *)")]
async fn handler() {}

fn main() {}
