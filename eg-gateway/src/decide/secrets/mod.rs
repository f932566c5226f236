//! Hides secrets from clients that read what the gateway stores, and puts them back when a client writes what it has read.
//! Functions get everything as it was sent.

mod functions;
mod requests;

pub(crate) use functions::{is_plain, masked, unmask};
pub(crate) use requests::{hidden, restored};

/// The mask that clients read in place of a secret.
const MASK: &str = "*****";
