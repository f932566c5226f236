//! End-to-end tests with the real programs. They are one binary, so that they are linked once and run in parallel.

#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

mod end_to_end;
mod event_bridge;
mod examples;
mod fuzz;
mod guide;
mod help;
mod http;
mod lambda;
mod loops;
mod promises;
mod readmes;
mod registration;
mod release;
mod requests;
mod runtime_api;
mod samples;
mod secrets;
mod shop;
mod shop_chaos;
mod sizes;
mod streams;
mod templates;
mod websockets;
