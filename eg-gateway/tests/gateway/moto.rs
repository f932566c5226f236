//! A server that speaks the APIs of AWS, shared with the tests of the other parts.

pub(crate) use eg_tests::moto::{Moto, python};
