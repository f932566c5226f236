use eg_runtime::schedule;

#[schedule("cron(0 12 1 JANUARY ? *)")]
async fn handler() {}

fn main() {}
