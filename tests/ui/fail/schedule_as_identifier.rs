use eg_runtime::schedule;

#[schedule(rate)]
async fn handler() {}

fn main() {}
