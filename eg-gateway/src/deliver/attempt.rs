//! Makes one attempt to deliver: calls the function and decides what follows from its outcome. `engine` decides when
//! attempts are made, and `record` writes their outcomes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Function;
use tokio::time::Instant;

use super::Caller;
use super::delivering::Delivering;
use crate::decide::breaker::Sign;
use crate::decide::delivery::{self, Failure};
use crate::decide::event::Outgoing;
use crate::decide::lanes::Lane;
use crate::decide::reply;
use crate::decide::system::Call;
use crate::outbound::reading::Reading;
use crate::recent::Notes;
use crate::store::{Claimed, Finish};

/// A call that ended, with the data to record about it.
pub(crate) struct Called {
    pub(super) lane: Lane,
    /// What the outcome says about the function.
    pub(super) sign: Sign,
    pub(crate) finish: Finish,
    pub(super) subscription_id: String,
    pub(super) event_id: String,
    pub(super) event_type: String,
    /// The age of the delivery.
    pub(super) age: Duration,
    pub(super) notes: Notes,
}

/// Makes one attempt and decides what follows from it.
pub(super) async fn attempt<C: Caller>(
    delivering: Arc<Delivering<C>>,
    lane: Lane,
    claimed: Claimed,
) -> Called {
    let Claimed {
        delivery,
        attempt,
        failures,
        previous,
        subscription_id,
        event_id,
        event_type,
        since,
        ordered,
        crashes,
        replay,
        json,
    } = claimed;
    let (started, notes) = (Instant::now(), delivering.recent.notes());
    let event = Outgoing::stored(event_type, json, replay.as_deref());
    let outcome = call(&delivering, &lane, &event, &notes).await;
    let event_type = event.ty;
    let duration = started.elapsed();
    let now = delivering.clock.timestamp();
    let sign = match outcome {
        Ok(()) | Err(Failure::Reject(_) | Failure::Gone(_)) => Sign::Answered,
        Err(Failure::Retry(_) | Failure::Later(..)) => Sign::Failed { delivery, previous },
        Err(Failure::Unmade(_)) => Sign::Unmade,
    };
    let policy =
        delivering.configuration.current().retry_policy(&lane.space, &subscription_id, &delivering.retry);
    let age = now.since(since);
    let next = delivery::after_attempt(policy.as_ref(), failures, age, outcome, delivering.clock.random());
    let finish = Finish { delivery, attempt, duration, next, ordered, suspect: crashes > 0, now };
    Called { lane, sign, finish, subscription_id, event_id, event_type, age, notes }
}

/// Notes what a function answered, without the envelope in which functions on Lambda answer.
fn note(notes: &Notes, answer: &[u8]) {
    if !notes.are_kept() {
        return;
    }
    match reply::read(answer) {
        Ok(reply) => {
            notes.status(reply.status.as_u16());
            notes.answer(&reply.body);
        }
        Err(_) => notes.answer(answer),
    }
}

async fn call<C: Caller>(
    delivering: &Delivering<C>,
    lane: &Lane,
    event: &Outgoing,
    notes: &Notes,
) -> Result<(), Failure> {
    // This process may have been paused since the delivery was claimed.
    delivering.store.check_standing().map_err(|error| Failure::Unmade(error.to_string()))?;
    let configuration = delivering.configuration.current();
    let Some(function) = configuration.catalog.table::<Function>().get(&lane.space, &lane.function) else {
        // Its subscription was deleted too, which makes the delivery a dead letter.
        return Err(Failure::Retry(format!("function \"{}\" was deleted", lane.function)));
    };
    let call = Call { space: &lane.space, function: &lane.function, event };
    let room = delivering.system_events.room_for_reply(call);
    let reading = room.as_ref().map_or(Reading::Excerpt, Reading::All);
    let invocation = pin!(delivering.invoker.invoke(function, event, reading, notes));
    let answer = delivering.system_events.around(call, invocation).await?;
    note(notes, &answer);
    Ok(())
}
