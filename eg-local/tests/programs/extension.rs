//! The external extension that the tests start beside functions: keeps a diary of what it is told.
//!
//! `EXTENSION_DIARY` names its file; with `EXTENSION_FAILS=init` or `crash` it fails at its first event, and
//! `EXTENSION_WORK_MS` is how long it works on each.

mod runtime_api;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use runtime_api::{Failure, call};

fn main() -> Result<(), Failure> {
    let registered = call(
        "POST",
        "/2020-01-01/extension/register",
        &[("lambda-extension-name", "extension"), ("lambda-extension-accept-feature", "accountId")],
        r#"{"events":["INVOKE","SHUTDOWN"]}"#,
    )?;
    note(&registered.body)?;
    let id = registered.header("lambda-extension-identifier").ok_or("no identifier")?.to_owned();
    let fails = std::env::var("EXTENSION_FAILS").unwrap_or_default();
    if fails == "init" {
        let headers = [
            ("lambda-extension-identifier", id.as_str()),
            ("lambda-extension-function-error-type", "Extension.NoLicense"),
        ];
        call("POST", "/2020-01-01/extension/init/error", &headers, "{}")?;
        std::process::exit(1);
    }
    let work = std::env::var("EXTENSION_WORK_MS").map_or(Ok(0), |work| work.parse())?;
    loop {
        let headers = [("lambda-extension-identifier", id.as_str())];
        let event = call("GET", "/2020-01-01/extension/event/next", &headers, "")?;
        note(&event.body)?;
        if fails == "crash" {
            std::process::exit(7);
        }
        if event.body.contains("SHUTDOWN") {
            note("goodbye")?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(work));
    }
}

fn note(line: &str) -> Result<(), Failure> {
    let diary = std::env::var("EXTENSION_DIARY")?;
    let mut file = OpenOptions::new().create(true).append(true).open(diary)?;
    Ok(writeln!(file, "{line}")?)
}
