use eg_runtime::schedule;

#[schedule("cron(60 12 * * ? *)")]
async fn handler() {}

fn main() {}
