//! `/v1/spaces/<space>/functions`: the functions that the gateway can call. Clients can write their secrets but never
//! read them.

use std::borrow::Cow;

use eg_sdk::config::Function;

use super::resource::{self, Managed};
use super::routes::Routes;
use crate::decide::catalog::{Catalog, Change};
use crate::decide::refusal::Refusal;
use crate::decide::targets::PrivateTargets;
use crate::decide::{rules, secrets};

pub(super) fn routes() -> Routes {
    resource::routes::<Function>()
}

impl Managed for Function {
    const NAME: &'static str = "Function";
    const NAMES: &'static str = "Functions";
    const PATHS: (&'static str, &'static str) = ("/functions", "/functions/{id}");
    const METRIC: &'static str = "function";

    fn read(body: &[u8], space: &str, id: Option<&str>, targets: &PrivateTargets) -> Result<Self, Refusal> {
        rules::function(space, id, body, targets)
    }

    fn create(self, catalog: &Catalog) -> Result<Change, Refusal> {
        catalog.create_function(self)
    }

    fn update(self, catalog: &Catalog, _: &str) -> Result<Change, Refusal> {
        catalog.update_function(self)
    }

    fn delete(catalog: &Catalog, space: &str, id: &str) -> Result<Change, Refusal> {
        catalog.delete_function(space, id)
    }

    fn shown(&self) -> Cow<'_, Self> {
        Cow::Owned(secrets::masked(self))
    }
}
