//! Tests the pages against a real gateway: over HTTP, with content that tries to break out, and in a real browser.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

mod accessible;
mod browser;
mod doors;
mod hostile;
mod letters;
mod measured;
mod site;
mod traces;
