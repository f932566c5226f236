//! The part of `cargo eg` that other programs can use: the manifest reader. The command line itself is the binary's.

pub mod manifest;
