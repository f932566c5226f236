use eg_runtime::schedule;

#[schedule("rate(1 day)", mode = "sync")]
async fn handler() {}

fn main() {}
