//! A gateway in memory for unit tests of programs that emit: records events and returns configured answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use serde::Serialize;

use super::{Answer, Error};
use crate::__private::EventTrait as Event;
use crate::{CloudEvent, Data, DataError, FromData, IntoData};

/// The URL in errors and answers of a recording client.
const URL: &str = "the recorder";

/// Records the events of a recording client; see [`EventGateway::recording`](crate::EventGateway::recording). Clones
/// share the recording.
///
/// ```
/// # use eg_sdk::{CloudEvent, EventGateway};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (gateway, recorder) = EventGateway::recording();
/// recorder.refuse_next(503, "draining");
/// let event = || CloudEvent::of_type("user.created", "/users", serde_json::json!({"id": 10}));
/// assert_eq!(gateway.emit(event()).await.unwrap_err().status(), Some(503));
/// gateway.emit(event()).await?;
/// assert_eq!(recorder.take().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// All events, those that were taken included.
    events: Vec<CloudEvent>,
    /// How many of them were taken.
    taken: usize,
    /// By event type.
    answers: HashMap<String, (u16, Bytes)>,
    refusals: VecDeque<(u16, String)>,
}

impl State {
    fn untaken(&self) -> &[CloudEvent] {
        &self.events[self.taken..]
    }
}

impl Recorder {
    /// Returns the recorded events, including requests, in order, without those that were taken.
    #[must_use]
    pub fn events(&self) -> Vec<CloudEvent> {
        self.state().untaken().to_vec()
    }

    /// Returns the recorded events. Later calls, and those of [`events`](Self::events), leave them out.
    #[must_use]
    pub fn take(&self) -> Vec<CloudEvent> {
        let mut state = self.state();
        let events = state.untaken().to_vec();
        state.taken = state.events.len();
        events
    }

    /// Returns the event that was recorded as the `n`-th, counted from 0 and whether it was taken or not; `None` if
    /// there are not so many yet.
    #[must_use]
    pub fn nth(&self, n: usize) -> Option<CloudEvent> {
        self.state().events.get(n).cloned()
    }

    /// Returns the recorded events of `E`'s type, decoded.
    ///
    /// # Errors
    /// If the payload of such an event does not match.
    pub fn events_of<E: Event + FromData>(&self) -> Result<Vec<CloudEvent<E>>, DataError> {
        let of_type = |event: &CloudEvent| event.ty() == E::TYPE;
        self.events().into_iter().filter(of_type).map(CloudEvent::decode).collect()
    }

    /// Sets the answer to requests of type `ty`: status 200 with `answer` as JSON. Requests without an answer fail
    /// with [`Error::NoSubscriber`].
    ///
    /// # Errors
    /// If `answer` cannot be serialized as JSON.
    pub fn answer(&self, ty: impl Into<String>, answer: impl Serialize) -> Result<(), DataError> {
        let body = Bytes::copy_from_slice(answer.into_data()?.as_bytes());
        self.state().answers.insert(ty.into(), (200, body));
        Ok(())
    }

    /// Refuses the next event, emitted or requested, with this status and message. Each call refuses one more event.
    pub fn refuse_next(&self, status: u16, message: impl Into<String>) {
        self.state().refusals.push_back((status, message.into()));
    }

    pub(super) fn record(&self, event: CloudEvent<Data>, action: String) -> Result<(), Error> {
        let mut state = self.state();
        if let Some((status, message)) = state.refusals.pop_front() {
            return Err(Error::Refused { action, url: URL.to_owned(), status, code: None, message });
        }
        state.events.push(event);
        Ok(())
    }

    pub(super) fn request(&self, event: CloudEvent<Data>, action: String) -> Result<Option<Answer>, Error> {
        let answer = self.state().answers.get(event.ty()).cloned();
        self.record(event, action.clone())?;
        Ok(answer.map(|(status, body)| Answer {
            status,
            content_type: Some("application/json".to_owned()),
            body,
            action,
            url: URL.to_owned(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}
