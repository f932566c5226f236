//! Creates the events that report the gateway's actions to their subscribers. `system` defines their contents.

use super::arrival::{NewEvent, Origin, Terms};
use super::envelope::{self, Stamp};
use super::event::Event;
use super::router::Router;
use super::system::SystemEvent;
use super::trace;

/// Returns the events that report `event` to the subscribers in `space`, none if there are no subscribers. `stamp`
/// creates the id and the time of each.
pub(crate) fn system_arrivals(
    router: &Router,
    terms: &Terms,
    space: &str,
    event: &SystemEvent<'_>,
    stamp: impl Fn() -> Stamp,
) -> Vec<NewEvent> {
    // The report of a loop that was stopped is one hop beyond the limit, as the event that it is about. What its handler
    // emits is another hop away, and its report ends there.
    let one_more = u64::from(matches!(event, SystemEvent::GivenUp { .. }));
    let terms = Terms { max_hops: terms.max_hops.saturating_add(one_more), ..*terms };
    let arrival = |ty: &&str| {
        let targets = router.system(space, ty);
        if targets.is_empty() {
            return None;
        }
        let stamp = stamp();
        let accepted_at = stamp.time.into();
        // Every event that reaches the gateway is JSON.
        let mut made = envelope::made(ty, stamp, "application/json", event.data()?);
        if event.hops() > 0 {
            made = made.with_hops(event.hops());
        }
        let made = Event::new(trace::joined(made, Some(&event.trace()))).ok()?;
        let (space, method, path) = (space.to_owned(), "POST".to_owned(), "/".to_owned());
        Some(terms.admit(made, Origin { space, method, path, accepted_at }, &targets, Vec::new()))
    };
    event.types().iter().filter_map(arrival).collect()
}
