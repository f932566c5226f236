//! `/v1/spaces/<space>/eventtypes`: the event types that subscriptions may name.

use eg_sdk::config::EventType;

use super::resource::{self, Managed};
use super::routes::Routes;
use crate::decide::catalog::{Catalog, Change};
use crate::decide::refusal::Refusal;
use crate::decide::rules;
use crate::decide::targets::PrivateTargets;

pub(super) fn routes() -> Routes {
    resource::routes::<EventType>()
}

impl Managed for EventType {
    const NAME: &'static str = "EventType";
    const NAMES: &'static str = "EventTypes";
    const PATHS: (&'static str, &'static str) = ("/eventtypes", "/eventtypes/{id}");
    const METRIC: &'static str = "eventtype";

    fn read(body: &[u8], space: &str, id: Option<&str>, _: &PrivateTargets) -> Result<Self, Refusal> {
        rules::event_type(space, id, body)
    }

    fn create(self, catalog: &Catalog) -> Result<Change, Refusal> {
        catalog.create_event_type(self)
    }

    fn update(self, catalog: &Catalog, _: &str) -> Result<Change, Refusal> {
        catalog.update_event_type(self)
    }

    fn delete(catalog: &Catalog, space: &str, id: &str) -> Result<Change, Refusal> {
        catalog.delete_event_type(space, id)
    }
}
