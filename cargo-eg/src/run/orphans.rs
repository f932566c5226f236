//! Counts the deliveries that became dead letters because a reload removed their subscription, so that the user hears of
//! them. What to say is left to `console`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_sdk::EventGateway;
use eg_sdk::history::{DeadLetter, Job, JobKind, JobState, Loss};
use time::OffsetDateTime;

use crate::exit::Failure;

/// Returns the number of deliveries to each of the functions in `gone` that became dead letters since `before`.
pub(super) async fn count(
    client: &EventGateway,
    gone: &BTreeSet<String>,
    before: OffsetDateTime,
) -> Result<BTreeMap<String, usize>, Failure> {
    const PAGE: usize = 500;
    given_up(client).await?;
    let (mut orphans, mut next) = (BTreeMap::new(), None);
    loop {
        // In the order of their events, so a delivery that became a dead letter now may be on any page.
        let page = client.dead_letters().page(Loss::Dead, next, PAGE).await?;
        let is_new = |letter: &&DeadLetter| letter.dead_at >= before && gone.contains(&letter.function_id);
        for letter in page.dead_letters.iter().filter(is_new) {
            *orphans.entry(letter.function_id.clone()).or_default() += 1;
        }
        next = page.next;
        if next.is_none() {
            return Ok(orphans);
        }
    }
}

/// Waits until the gateway has given up the deliveries of deleted subscriptions, but not for longer than a few
/// seconds.
async fn given_up(client: &EventGateway) -> Result<(), Failure> {
    const PAGE: usize = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..250 {
        let page = client.jobs().page(None, PAGE).await?;
        let gives_up = |job: &Job| job.kind == JobKind::GiveUp && job.state == JobState::Running;
        if !page.jobs.iter().any(gives_up) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
