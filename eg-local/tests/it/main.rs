//! The local cloud as its callers and functions see it. One binary, because its dependencies take long to link.

#![allow(clippy::unwrap_used, reason = "a panic is the failure message")]

mod cloud;
mod emulator;
mod examples;
mod extensions;
mod invoke_api;
mod python;
mod queues;
mod screening;
mod streaming;
mod support;
mod versions;
mod websockets;
