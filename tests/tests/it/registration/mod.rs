//! Tests the registration application with the real programs: every function learns of a registration exactly once,
//! whichever function fails.

mod browser;
mod clicks;
mod failures;
mod flow;
mod support;
