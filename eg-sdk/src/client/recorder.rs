//! A gateway in memory for unit tests of programs that emit: records events and returns configured answers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use bytes::Bytes;
use http::{Response, StatusCode, header};
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
    subscribers: Option<Subscribers>,
    pauses: bool,
}

/// Calls the synchronous subscriber of an event at a path.
#[derive(Clone)]
struct Subscribers(Arc<dyn Fn(String, CloudEvent) -> Answering + Send + Sync>);

type Answering = Pin<Box<dyn Future<Output = Option<Response<Bytes>>> + Send>>;

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscribers")
    }
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

    /// Sets what answers events for which [`answer`](Self::answer) has set nothing: `subscribers` is called with the path
    /// and the event, and returns the answer of the synchronous subscriber; `None` if there is none. As at a gateway, an
    /// emitted event is answered, too, at the path `/`: a status that is no success refuses it.
    pub fn answer_with<F, Fut>(&self, subscribers: F)
    where
        F: Fn(String, CloudEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Response<Bytes>>> + Send + 'static,
    {
        let boxed = move |path, event| -> Answering { Box::pin(subscribers(path, event)) };
        self.state().subscribers = Some(Subscribers(Arc::new(boxed)));
    }

    /// Makes calls of the client wait for another turn of the executor, before and after they record an event. At these
    /// places a test can drop a function, as if its process had died.
    pub fn pause_around_events(&self) {
        self.state().pauses = true;
    }

    /// Records an emitted event, and has it answered.
    ///
    /// # Errors
    /// If the event is to be refused, or its synchronous subscriber fails.
    pub(super) async fn record(&self, event: CloudEvent<Data>, action: String) -> Result<(), Error> {
        self.keep(&event, &action).await?;
        match self.call("/", event).await {
            Some(answer) if !is_answer(answer.status()) => Err(refusal(action, &answer)),
            _ => Ok(()),
        }
    }

    /// Records a request, and returns the answer of its subscriber; `None` if there is none.
    ///
    /// # Errors
    /// As for [`record`](Self::record).
    pub(super) async fn request(
        &self,
        path: &str,
        event: CloudEvent<Data>,
        action: String,
    ) -> Result<Option<Answer>, Error> {
        let set = self.state().answers.get(event.ty()).cloned();
        self.keep(&event, &action).await?;
        let json = || Some("application/json".to_owned());
        let (status, content_type, body) = match set {
            Some((status, body)) => (status, json(), body),
            None => {
                let Some(answer) = self.call(path, event).await else { return Ok(None) };
                if !is_answer(answer.status()) {
                    return Err(refusal(action, &answer));
                }
                let media_type = answer.headers().get(header::CONTENT_TYPE);
                let media_type = media_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
                (answer.status().as_u16(), media_type, answer.into_body())
            }
        };
        Ok(Some(Answer { status, content_type, body, action, url: URL.to_owned() }))
    }

    async fn keep(&self, event: &CloudEvent<Data>, action: &str) -> Result<(), Error> {
        self.pause().await;
        {
            let mut state = self.state();
            if let Some((status, message)) = state.refusals.pop_front() {
                let (action, url) = (action.to_owned(), URL.to_owned());
                return Err(Error::Refused { action, url, status, code: None, message });
            }
            state.events.push(event.clone());
        }
        self.pause().await;
        Ok(())
    }

    async fn call(&self, path: &str, event: CloudEvent<Data>) -> Option<Response<Bytes>> {
        let subscribers = self.state().subscribers.clone()?;
        (subscribers.0)(path.to_owned(), event).await
    }

    async fn pause(&self) {
        let mut is_over = !self.state().pauses;
        poll_fn(|context| {
            if std::mem::replace(&mut is_over, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}

/// Returns whether a status is that of an answer, as for a real gateway.
fn is_answer(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

fn refusal(action: String, answer: &Response<Bytes>) -> Error {
    let message = String::from_utf8_lossy(answer.body()).into_owned();
    Error::Refused { action, url: URL.to_owned(), status: answer.status().as_u16(), code: None, message }
}

#[cfg(test)]
mod tests {
    use crate::EventGateway;

    use super::*;

    fn event(ty: &str) -> CloudEvent {
        CloudEvent::of_type(ty, "/s", Data::Empty)
    }

    #[tokio::test]
    async fn subscribers_answer_requests_and_refuse_emitted_events() {
        let (gateway, recorder) = EventGateway::recording();
        recorder.answer_with(|path, event: CloudEvent| async move {
            let (status, body) = match (path.as_str(), event.ty()) {
                ("/", "price.asked") => (200, "250"),
                ("/eu", "price.asked") => (200, "270"),
                (_, "price.denied") => (422, "no price"),
                _ => return None,
            };
            Some(Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
        });
        assert_eq!(gateway.request(event("price.asked")).await.unwrap().json::<u32>().unwrap(), 250);
        assert_eq!(gateway.request_at("/eu", event("price.asked")).await.unwrap().body, "270");
        assert!(matches!(gateway.request(event("other")).await, Err(Error::NoSubscriber { .. })));
        for error in [
            gateway.request(event("price.denied")).await.unwrap_err(),
            gateway.emit(event("price.denied")).await.unwrap_err(),
        ] {
            assert_eq!(error.status(), Some(422));
            assert!(error.to_string().contains("no price"), "{error}");
        }
        gateway.emit(event("other")).await.unwrap();
        recorder.answer("price.asked", 1).unwrap();
        assert_eq!(
            gateway.request(event("price.asked")).await.unwrap().body,
            "1",
            "what a test sets goes first"
        );
        assert_eq!(recorder.events().len(), 7, "all of them are recorded");
    }

    #[tokio::test]
    async fn a_function_can_be_dropped_around_an_event() {
        let (gateway, recorder) = EventGateway::recording();
        recorder.pause_around_events();
        let mut emission = Box::pin(gateway.emit(event("a")));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for (polls, recorded) in [(1, 0), (2, 1)] {
            assert!(emission.as_mut().poll(&mut context).is_pending(), "after poll {polls}");
            assert_eq!(recorder.events().len(), recorded, "after poll {polls}");
        }
        drop(emission);
        assert_eq!(recorder.events().len(), 1);
    }
}
