//! The parts of `cargo eg` that other programs can use: the local Lambda and the manifest reader.
//! The command line itself is the binary's.

pub mod emulator;
pub mod manifest;
