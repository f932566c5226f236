//! The running application: which functions and resources it consists of, how it starts, changes and stops. Leaves finding
//! and building services to `project`, and what the terminal shows to `console`.

mod app;
mod deploy;
pub(crate) mod plan;
mod register;

pub(crate) use app::{LocalApp, Options, Ports, Update};
pub(crate) use deploy::deployments;
