//! Brings stacks of AWS to what a template says, and shows what changes. Building programs and making templates is left to
//! `artifacts` and `template`, connections to `aws`.
//!
//! Comparing templates needs no account, and so no AWS client.

#[cfg(feature = "aws")]
pub(crate) mod archive;
mod assets;
#[cfg(feature = "aws")]
pub(crate) mod bucket;
mod changes;
#[cfg(feature = "aws")]
pub(crate) mod confirm;
#[cfg(feature = "aws")]
mod contents;
#[cfg(feature = "aws")]
pub(crate) mod deployment;
mod described;
#[cfg(feature = "aws")]
pub(crate) mod follow;
#[cfg(feature = "aws")]
pub(crate) mod functions;
pub(crate) mod gateway;
#[cfg(feature = "aws")]
mod guard;
#[cfg(feature = "aws")]
pub(crate) mod letters;
#[cfg(feature = "aws")]
mod losses;
#[cfg(feature = "aws")]
mod pace;
#[cfg(feature = "aws")]
mod parameters;
pub(crate) mod record;
mod rights;
#[cfg(feature = "aws")]
pub(crate) mod stack;
#[cfg(feature = "aws")]
mod state;
mod target;

pub(crate) use self::assets::{Packaged, package};
pub(crate) use self::changes::Changes;
#[cfg(feature = "aws")]
pub(crate) use self::gateway::Registered;
pub(crate) use self::rights::{Scope, rights};
pub(crate) use self::target::Target;
