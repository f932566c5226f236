//! The registration application with the real programs: who registers is told to everybody, once, whoever fails.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

mod browser;
mod clicks;
mod failures;
mod flow;
mod support;
mod webdriver;
