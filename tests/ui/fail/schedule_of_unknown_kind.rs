use eg_runtime::schedule;

#[schedule("at(2027-01-01T00:00:00)")]
async fn handler() {}

fn main() {}
