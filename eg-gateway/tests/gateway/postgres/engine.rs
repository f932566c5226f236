//! What the APIs promise does not depend on the store: the tests about events, deliveries, history, jobs and configuration run again
//! with gateways whose stores are in PostgreSQL.

use std::process::Command;

use eg_tests::postgres::Postgres;

use crate::support::IN_POSTGRES;

/// The modules with tests in which the store matters, and which do not look at files of SQLite.
const MODULES: [&str; 15] = [
    "authorizers::",
    "cloud_events::",
    "config_api::",
    "delivery::",
    "flow::",
    "history::",
    "jobs::",
    "metrics::",
    "policies::",
    "put_events::",
    "spaces::",
    "statistics::",
    "system_events::",
    "takeover::",
    "wire::",
];

#[test]
fn tests_of_the_apis_pass_with_both_stores() {
    if Postgres::shared().is_none() {
        return;
    }
    let mut tests = Command::new(std::env::current_exe().unwrap());
    let output = tests.args(MODULES).env(IN_POSTGRES, "1").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    let passed = printed.split("test result: ok. ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(passed.parse::<u32>().unwrap() > 80, "{printed}");
}
