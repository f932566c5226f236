//! The registration application with the real programs: who registers is told to everybody, once, whoever fails.

mod browser;
mod clicks;
mod failures;
mod flow;
mod support;
mod webdriver;
