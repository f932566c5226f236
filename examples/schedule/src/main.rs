//! A function that runs on a schedule.
//!
//! On AWS, EventBridge calls it when it is due. `cargo eg run` does the same, in UTC, and lists the schedules with the time
//! of the next call (`--no-schedules` turns the clock off). To call the function now, send it what EventBridge sends:
//!
//! ```text
//! $ cargo eg run examples/schedule
//! $ curl localhost:9001/2015-03-31/functions/schedule-report/invocations -d @examples/schedule/event.json
//! {"statusCode":200,…}
//! $ cargo eg logs --function report
//! START RequestId: … Version: $LATEST
//! sales before 2026-02-02
//! END RequestId: …
//! REPORT RequestId: …
//! ```

use eg_runtime::{App, CloudEvent, Data, Error, schedule};

/// Reports past sales, on weekdays at 8:00 UTC.
#[schedule("cron(0 8 ? * MON-FRI *)")]
async fn report(event: CloudEvent<Data>) -> Result<(), Error> {
    // The due time rather than the current time, so that a retry tomorrow reports the same.
    let due = event.time().ok_or_else(|| Error::reject("the event does not say when it was due"))?;
    println!("sales before {}", due.date());
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
