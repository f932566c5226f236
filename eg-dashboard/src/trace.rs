//! Follows an event to the beginning of its story, and from there to everything that came of it. Events name their cause; an
//! event's children were accepted while its functions ran, so each search reads a short time of the history only.

use std::collections::{BTreeSet, VecDeque};

use eg_sdk::history::{AcceptedEvent, AttemptOutcome, Delivery, DeliveryState, EventDetail, EventFilter};
use eg_sdk::{CloudEvent, Error, EventGateway};
use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime};

/// The maximum number of pages of the history that one trace reads.
const PAGES: usize = 200;

/// The maximum number of causes to follow upwards.
const ANCESTORS: usize = 32;

/// The maximum number of events of one trace.
pub(crate) const EVENTS: usize = 200;

/// How long after a function an event that it emitted may have been accepted.
const MARGIN: Duration = Duration::seconds(2);

/// How long before and after an event the others of the same request may have been accepted.
const REQUEST: Duration = Duration::seconds(10);

/// The maximum number of times to search for the children of one event: a delivery may have hundreds of attempts.
const SEARCHES: usize = 32;

/// All events of a story.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The id of the cause of the first event, if the history has no such event: usually an HTTP request, which is answered
    /// and not stored.
    pub(crate) origin: Option<String>,
    /// The first event, or the events of the origin.
    pub(crate) roots: Vec<Node>,
    /// Whether there are more events than those.
    pub(crate) is_cut: bool,
}

/// An event and what came of it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) event: AcceptedEvent,
    /// The deliveries to functions, without the filtered ones, in the order in which they began.
    pub(crate) deliveries: Vec<Branch>,
    /// Events for which it is not certain which function emitted them.
    pub(crate) children: Vec<Node>,
}

/// A delivery, and the events that were emitted during it.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) delivery: Delivery,
    pub(crate) children: Vec<Node>,
}

impl Trace {
    /// Reads the story that an event belongs to.
    pub(crate) async fn read(gateway: &EventGateway, of: EventDetail) -> Result<Self, Error> {
        let Beginning { mut first, origin, mut is_cut } = beginning(gateway, of).await?;
        first.event = without_payload(first.event);
        let (mut firsts, mut pages) = (vec![first], PAGES);
        if let Some(origin) = &origin {
            let at = firsts[0].event.accepted_at;
            let found = caused_by(gateway, origin, (at - REQUEST, at + REQUEST), &mut pages).await?;
            is_cut |= found.is_cut;
            let known = key(&firsts[0].event);
            for event in found.events.into_iter().filter(|event| key(event) != known) {
                if firsts.len() >= EVENTS {
                    is_cut = true;
                    break;
                }
                firsts.extend(detail(gateway, &event).await?);
            }
        }
        let mut seen: BTreeSet<(String, String)> = firsts.iter().map(|detail| key(&detail.event)).collect();
        let mut found: Vec<(EventDetail, Option<usize>)> =
            firsts.into_iter().map(|detail| (detail, None)).collect();
        let mut open: VecDeque<usize> = (0..found.len()).collect();
        'all: while let Some(at) = open.pop_front() {
            let (parent, _) = &found[at];
            let id = parent.event.event_id.clone();
            let times = worked(parent);
            is_cut |= times.len() > SEARCHES;
            for time in times.into_iter().take(SEARCHES) {
                let children = caused_by(gateway, &id, time, &mut pages).await?;
                is_cut |= children.is_cut;
                for child in children.events {
                    if !seen.insert(key(&child)) {
                        continue;
                    }
                    if found.len() >= EVENTS {
                        is_cut = true;
                        break 'all;
                    }
                    if let Some(detail) = detail(gateway, &child).await? {
                        open.push_back(found.len());
                        found.push((detail, Some(at)));
                    }
                }
            }
        }
        Ok(Self { origin, roots: assembled(found), is_cut })
    }

    /// Returns the time of the whole story; it goes on until `now` while something runs or waits.
    pub(crate) fn span(&self, now: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime) {
        let (mut start, mut end) = (now, OffsetDateTime::UNIX_EPOCH);
        self.roots.iter().for_each(|root| root.widen(&mut start, &mut end, now));
        (start, end.max(start))
    }
}

impl Node {
    fn widen(&self, start: &mut OffsetDateTime, end: &mut OffsetDateTime, now: OffsetDateTime) {
        *start = (*start).min(self.event.accepted_at);
        *end = (*end).max(self.event.accepted_at);
        for branch in &self.deliveries {
            *end = (*end).max(ended(&branch.delivery).unwrap_or(now));
            branch.children.iter().for_each(|child| child.widen(start, end, now));
        }
        self.children.iter().for_each(|child| child.widen(start, end, now));
    }
}

/// Returns when the last attempt of a delivery ended; `None` if it runs or waits.
pub(crate) fn ended(delivery: &Delivery) -> Option<OffsetDateTime> {
    match delivery.state {
        DeliveryState::Pending | DeliveryState::InFlight => None,
        _ => delivery
            .attempts
            .last()
            .map(|attempt| attempt.started_at + attempt.duration.unwrap_or_default())
            .or(delivery.ended_at),
    }
}

/// Where a story begins.
struct Beginning {
    /// The first event that the history has.
    first: EventDetail,
    /// The id of its cause, if the history has no such event.
    origin: Option<String>,
    /// Whether there may be earlier events.
    is_cut: bool,
}

/// Follows the causes of an event.
async fn beginning(gateway: &EventGateway, of: EventDetail) -> Result<Beginning, Error> {
    let mut first = of;
    let mut seen = BTreeSet::new();
    for _ in 0..ANCESTORS {
        let cause = cause(&first.event).filter(|cause| seen.insert(cause.clone()));
        let Some(cause) = cause else { return Ok(Beginning { first, origin: None, is_cut: false }) };
        match gateway.history().event(&cause, None, None).await? {
            Some(earlier) if earlier.event.accepted_at <= first.event.accepted_at => first = earlier,
            _ => return Ok(Beginning { first, origin: Some(cause), is_cut: false }),
        }
    }
    let is_cut = cause(&first.event).is_some();
    Ok(Beginning { first, origin: None, is_cut })
}

/// The events that a search has found, the oldest first.
struct Found {
    events: Vec<AcceptedEvent>,
    /// Whether there may be older ones.
    is_cut: bool,
}

/// Returns the events of a time that name this cause. Other events may contain its id anywhere, so the search goes on until
/// it has seen all of them or has read the remaining `pages`.
async fn caused_by(
    gateway: &EventGateway,
    id: &str,
    (from, to): (OffsetDateTime, OffsetDateTime),
    pages: &mut usize,
) -> Result<Found, Error> {
    let filter =
        EventFilter { text: Some(in_json(id)), from: Some(from), to: Some(to), ..EventFilter::default() };
    let (mut events, mut before, mut is_cut) = (Vec::new(), None, true);
    while *pages > 0 && events.len() <= EVENTS {
        *pages -= 1;
        let page = gateway.history().page(&filter, before, EVENTS).await?;
        let caused = page.events.into_iter().filter(|event| cause(event).as_deref() == Some(id));
        events.extend(caused.map(without_payload));
        before = page.next;
        if before.is_none() {
            is_cut = false;
            break;
        }
    }
    events.reverse();
    Ok(Found { events, is_cut })
}

/// Returns a text as the JSON of an event contains it.
fn in_json(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

async fn detail(gateway: &EventGateway, event: &AcceptedEvent) -> Result<Option<EventDetail>, Error> {
    let found =
        gateway.history().event(&event.event_id, Some(&event.source), Some(&event.event_type)).await?;
    Ok(found
        .map(|EventDetail { event, deliveries }| EventDetail { event: without_payload(event), deliveries }))
}

/// Drops the payload, which a trace needs only to find the cause: those of 200 events may take a gigabyte.
fn without_payload(event: AcceptedEvent) -> AcceptedEvent {
    AcceptedEvent { event: RawValue::NULL.to_owned(), ..event }
}

fn cause(event: &AcceptedEvent) -> Option<String> {
    let event = CloudEvent::from_json(event.event.get().as_bytes()).ok()?;
    event.cause().map(str::to_owned)
}

fn key(event: &AcceptedEvent) -> (String, String) {
    (event.source.clone(), event.event_id.clone())
}

/// Returns the times in which functions worked on an event, with the margin, as few as cover them all.
fn worked(detail: &EventDetail) -> Vec<(OffsetDateTime, OffsetDateTime)> {
    let now = OffsetDateTime::now_utc();
    let mut all: Vec<_> = detail.deliveries.iter().flat_map(|delivery| runs(delivery, now)).collect();
    all.sort_unstable();
    let mut times: Vec<(OffsetDateTime, OffsetDateTime)> = Vec::new();
    for (start, end) in all {
        let end = end + MARGIN;
        match times.last_mut() {
            Some((_, until)) if start <= *until => *until = end.max(*until),
            _ => times.push((start, end)),
        }
    }
    times
}

/// Returns from when until when the attempts of a delivery lasted. An attempt is recorded before the call and its end after
/// it, so its duration alone is too short.
fn runs(delivery: &Delivery, now: OffsetDateTime) -> impl Iterator<Item = (OffsetDateTime, OffsetDateTime)> {
    delivery.attempts.iter().enumerate().map(move |(at, attempt)| {
        let recorded = attempt.started_at + attempt.duration.unwrap_or_default();
        let next = delivery.attempts.get(at + 1).map(|next| next.started_at).or(delivery.ended_at);
        let end = match attempt.outcome {
            AttemptOutcome::InFlight => now,
            AttemptOutcome::Interrupted => next.unwrap_or(recorded),
            // What follows is the backoff.
            _ => next.map_or(recorded, |next| next.clamp(recorded, recorded + MARGIN)),
        };
        (attempt.started_at, end)
    })
}

/// Returns whether an event of this source is likely to be of a function: by default, sources and the ids of functions have
/// the name of their service.
fn is_of(source: &str, function: &str) -> bool {
    let service = source.rsplit('/').next().unwrap_or_default();
    !service.is_empty()
        && function.strip_prefix(service).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Builds the trees from events that come after their parents.
fn assembled(found: Vec<(EventDetail, Option<usize>)>) -> Vec<Node> {
    let mut nodes: Vec<(Option<Node>, Option<usize>)> = found
        .into_iter()
        .map(|(EventDetail { event, deliveries }, parent)| {
            let mut deliveries: Vec<Branch> = deliveries
                .into_iter()
                .filter(|delivery| delivery.matched)
                .map(|delivery| Branch { delivery, children: Vec::new() })
                .collect();
            deliveries.sort_by_key(|branch| {
                (branch.delivery.attempts.first().map(|first| first.started_at), branch.delivery.delivery_id)
            });
            (Some(Node { event, deliveries, children: Vec::new() }), parent)
        })
        .collect();
    // Children come after their parents, so a node is complete when it is taken from the end.
    for at in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[at].1
            && let Some(child) = nodes[at].0.take()
            && let Some(node) = &mut nodes[parent].0
        {
            node.adopt(child);
        }
    }
    nodes.into_iter().filter_map(|(node, _)| node).collect()
}

impl Node {
    /// Puts an event below the function that ran when it was accepted. If several ran, below the one of the event's source; if
    /// that is not clear either, below no function.
    fn adopt(&mut self, child: Self) {
        let (at, now) = (child.event.accepted_at, OffsetDateTime::now_utc());
        let ran = |branch: &Branch| runs(&branch.delivery, now).any(|(start, end)| start <= at && at <= end);
        let running: Vec<usize> =
            (0..self.deliveries.len()).filter(|one| ran(&self.deliveries[*one])).collect();
        let of_source: Vec<usize> = running
            .iter()
            .copied()
            .filter(|one| is_of(&child.event.source, &self.deliveries[*one].delivery.function_id))
            .collect();
        let children = match (&of_source[..], &running[..]) {
            ([only], _) | ([], [only]) => &mut self.deliveries[*only].children,
            _ => &mut self.children,
        };
        children.insert(0, child);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(id: &str, at: &str, deliveries: &serde_json::Value) -> EventDetail {
        let detail = json!({"eventId": id, "eventType": "t", "source": "/s", "method": "POST", "path": "/",
            "acceptedAt": format!("2026-01-31T12:00:{at}Z"), "event": {}, "deliveries": deliveries});
        serde_json::from_str(&detail.to_string()).unwrap()
    }

    fn delivery(function: &str, started: &str, millis: u64) -> serde_json::Value {
        json!({"deliveryId": 1, "subscriptionId": function, "functionId": function, "matched": true, "state": "delivered",
            "attempts": [{"number": 1, "startedAt": format!("2026-01-31T12:00:{started}Z"), "durationMs": millis, "outcome": "delivered"}]})
    }

    #[test]
    fn events_are_below_the_function_that_ran() {
        let root = found("1", "00", &json!([delivery("late", "05", 1_000), delivery("early", "01", 1_000)]));
        let children =
            [("2", "01.5"), ("3", "05.5"), ("4", "09")].map(|(id, at)| (found(id, at, &json!([])), Some(0)));
        let trees = assembled([(root, None)].into_iter().chain(children).collect());
        let [root] = &trees[..] else { panic!("{trees:?}") };
        let below: Vec<(&str, Vec<&str>)> = root
            .deliveries
            .iter()
            .map(|branch| {
                let ids = branch.children.iter().map(|child| child.event.event_id.as_str());
                (branch.delivery.function_id.as_str(), ids.collect())
            })
            .collect();
        assert_eq!(below, [("early", vec!["2"]), ("late", vec!["3"])]);
        assert_eq!(root.children[0].event.event_id, "4", "nobody ran then");
    }

    #[test]
    fn of_functions_that_ran_at_the_same_time_the_source_decides() {
        for (source, function, expected) in [
            ("/services/mail", "mail-send", true),
            ("/services/mail", "mail", true),
            ("/services/mail", "mailing-send", false),
            ("/services/", "mail-send", false),
        ] {
            assert_eq!(is_of(source, function), expected, "{source} {function}");
        }
        let root = found(
            "1",
            "00",
            &json!([delivery("s-a", "01", 1_000), delivery("x-a", "01", 1_000), delivery("y", "05", 9)]),
        );
        let trees = assembled(vec![(root, None), (found("2", "01.5", &json!([])), Some(0))]);
        // The source of the child is `/s`.
        assert_eq!(trees[0].deliveries[0].children.len(), 1, "{trees:?}");
    }

    #[test]
    fn children_are_searched_where_functions_worked() {
        let early = [delivery("a", "01", 1_000), delivery("b", "03", 1_000)];
        let late = delivery("c", "30", 1_000);
        let of = |deliveries: serde_json::Value| {
            let detail = found("1", "00", &deliveries);
            let start = detail.event.accepted_at;
            let times = worked(&detail).into_iter();
            times
                .map(|(from, to)| ((from - start).whole_seconds(), (to - start).whole_seconds()))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(json!([late, early[0], early[1]])), [(1, 6), (30, 33)]);
        assert_eq!(of(json!([])), []);
        // The function did not run between its attempts.
        let mut twice = delivery("a", "01", 1_000);
        let second = json!({"number": 2, "startedAt": "2026-01-31T12:00:30Z", "durationMs": 1_000, "outcome": "delivered"});
        twice["attempts"][0]["outcome"] = json!("failed");
        twice["attempts"].as_array_mut().unwrap().push(second);
        assert_eq!(of(json!([twice])), [(1, 6), (30, 33)]);
        // Nobody knows when an interrupted attempt ended.
        twice["attempts"][0]["outcome"] = json!("interrupted");
        twice["attempts"][0].as_object_mut().unwrap().remove("durationMs");
        assert_eq!(of(json!([twice])), [(1, 33)]);
    }

    #[test]
    fn ids_are_searched_as_events_contain_them() {
        assert_eq!(in_json("a\"b\\"), r#"a\"b\\"#);
    }

    #[test]
    fn a_story_lasts_until_its_last_function_has_ended() {
        let root = found("1", "00", &json!([delivery("f", "01", 1_500)]));
        let trace = Trace { origin: None, roots: assembled(vec![(root, None)]), is_cut: false };
        let (start, end) = trace.span(OffsetDateTime::now_utc());
        assert_eq!(end - start, Duration::milliseconds(2_500));
    }
}
