use eg_runtime::schedule;

#[schedule("rate(5)")]
async fn handler() {}

fn main() {}
