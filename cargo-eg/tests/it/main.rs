//! Tests the commands as users type them. They are one binary, so that it is linked once and its tests run in
//! parallel.

#![allow(clippy::unwrap_used, reason = "a panic is the failure message")]

mod applications;
mod build;
mod check;
mod cloudwatch;
mod commands;
mod completions;
mod dashboard;
mod dead_letters;
mod declared;
mod deploy;
mod doctor;
mod five_minutes;
mod graph;
mod invoke;
mod manifest;
mod mcp;
mod new;
mod other_tools;
mod output;
mod packages;
mod places;
mod printed;
mod proxies;
mod queues;
mod reload;
mod run;
mod store;
mod streams;
mod support;
mod tables;
mod template;
mod terminal;
mod typed;
mod walk_through;
