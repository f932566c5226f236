//! Provides axe-core, which finds what keeps people from using a page who do not see it, or see it badly. Installed from npm below
//! `target`.

use std::path::Path;
use std::process::Command;

use crate::python::{installed, run};

/// The package. Each release has other rules, so with another one, a test can fail although nothing has changed here.
const PACKAGE: [&str; 1] = ["axe-core@4.14.1"];

/// Returns the script that defines `axe`. Prints a note and returns `None` if this machine has no npm; in CI that is a failure.
///
/// # Panics
/// If it cannot be installed.
#[must_use]
pub fn axe() -> Option<String> {
    let install = |dir: &Path| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        run(npm.arg(dir).args(PACKAGE));
    };
    let Some(dir) = installed("axe", &PACKAGE, "npm", install) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "npm is not installed");
        return None;
    };
    let script = dir.join("node_modules/axe-core/axe.min.js");
    Some(std::fs::read_to_string(script).expect("the package has its script"))
}
