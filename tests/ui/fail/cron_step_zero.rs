use eg_runtime::schedule;

#[schedule("cron(*/0 * * * ? *)")]
async fn handler() {}

fn main() {}
