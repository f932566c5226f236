//! `/v1/spaces/<space>/cors`: which web pages may call a path of the Events API. `decide::cors` applies the
//! configurations.

use eg_sdk::__private::escape_segment;
use eg_sdk::config::Cors;

use super::resource::{self, Managed};
use super::routes::Routes;
use crate::decide::catalog::{Catalog, Change};
use crate::decide::refusal::Refusal;
use crate::decide::rules;
use crate::decide::targets::PrivateTargets;

pub(super) fn routes() -> Routes {
    resource::routes::<Cors>()
}

impl Managed for Cors {
    const NAME: &'static str = "Cors";
    const NAMES: &'static str = "Cors";
    const PATHS: (&'static str, &'static str) = ("/cors", "/cors/{id}");
    const METRIC: &'static str = "cors";

    fn read(body: &[u8], space: &str, _: Option<&str>, _: &PrivateTargets) -> Result<Self, Refusal> {
        rules::cors(space, body)
    }

    fn create(self, catalog: &Catalog) -> Result<Change, Refusal> {
        catalog.create_cors(self)
    }

    fn update(self, catalog: &Catalog, id: &str) -> Result<Change, Refusal> {
        catalog.update_cors(id, self)
    }

    fn delete(catalog: &Catalog, space: &str, id: &str) -> Result<Change, Refusal> {
        catalog.delete_cors(space, id)
    }

    /// An id is already escaped, and clients put it into URLs unchanged.
    fn id_in_path(segment: String) -> String {
        escape_segment(&segment)
    }
}
