//! Calls of the history API: events, replays, dead letters, jobs, accounting. Their types are in
//! [`history`](crate::history).

use std::borrow::Cow;
use std::iter;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::http::{Call, Reply};
use super::url::Url;
use super::{Error, EventGateway};
use crate::errors::ErrorCode;
use crate::history::{
    AcceptedEvent, Access, Accounting, CallFilter, CallPage, DeadLetter, DeadLetterPage, Discarded,
    EventDetail, EventFilter, EventPage, GatewayStatistics, Job, JobPage, Loss, RedriveRequest, Redriven,
    Replay, ReplayRequest, SpaceStatistics,
};

/// The maximum length of a page.
const MAX_PAGE: usize = 500;

impl EventGateway {
    /// Returns the client of the events that the gateway has accepted in the client's space. The original gateway
    /// keeps none.
    #[must_use]
    pub fn history(&self) -> History<'_> {
        History { gateway: self }
    }

    /// Returns the client of the dead letters in the client's space. The original gateway keeps none.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters<'_> {
        DeadLetters { gateway: self }
    }

    /// Returns the client of the jobs in the client's space: replays, redrives and other long work of the gateway.
    #[must_use]
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs { gateway: self }
    }

    /// Counts the deliveries of all spaces by their state.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn accounting(&self) -> Result<Accounting, Error> {
        self.read(self.call(Method::GET, "/v1/accounting", "read the accounting".to_owned())).await
    }

    /// Reads the recent figures of the gateway: events and calls by minute, the backlog, the size of the store.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn statistics(&self) -> Result<GatewayStatistics, Error> {
        self.read(self.call(Method::GET, "/v1/statistics", "read the statistics".to_owned())).await
    }

    /// Reads the recent figures of the functions in the client's space: calls, failures, durations.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn function_statistics(&self) -> Result<SpaceStatistics, Error> {
        self.read(self.call_in_space(Method::GET, "statistics", "read the statistics of functions")).await
    }

    /// Returns what the client's access key allows in its space.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn access(&self) -> Result<Access, Error> {
        self.read(self.call_in_space(Method::GET, "access", "read what the access key allows")).await
    }

    /// Checks that the gateway can store events.
    ///
    /// # Errors
    /// [`Error::Refused`] with 503 and the reason if it cannot; other errors if it cannot be reached.
    pub async fn status(&self) -> Result<(), Error> {
        self.configure(self.call(Method::GET, "/v1/status", "read the status".to_owned())).await.map(drop)
    }

    /// Sends `call` and reads the answer.
    async fn read<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Error> {
        let (action, url) = (call.action.clone(), call.url.to_string());
        let Reply { body, .. } = self.configure(call).await?;
        serde_json::from_slice(&body).map_err(|e| Error::Answer { action, url, reason: e.to_string() })
    }

    /// Like [`read`](Self::read); returns `None` if the gateway answers that the resource does not exist.
    async fn find<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Option<T>, Error> {
        match self.read(call).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code() == Some(ErrorCode::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn with_body<'a, T: Serialize>(mut call: Call<'a>, body: &T) -> Call<'a> {
    call.body = Some(serde_json::to_vec(body).expect("these types have string keys only").into());
    call
}

/// The events that a gateway has accepted.
///
/// ```no_run
/// use eg_sdk::EventGateway;
/// use eg_sdk::history::EventFilter;
///
/// # async fn example() -> Result<(), eg_sdk::Error> {
/// let gateway = EventGateway::from_env()?;
/// let filter = EventFilter { ty: Some("user.created".to_owned()), ..EventFilter::default() };
/// for event in gateway.history().events(&filter, 20).await? {
///     println!("{} {}", event.accepted_at, event.event_id);
/// }
/// if let Some(detail) = gateway.history().event("order-1", None, None).await? {
///     for delivery in detail.deliveries {
///         println!("{}: {}", delivery.function_id, delivery.state);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    gateway: &'a EventGateway,
}

impl History<'_> {
    /// Lists the newest events that match, at most `limit`. Reads as many pages as necessary.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn events(&self, filter: &EventFilter, limit: usize) -> Result<Vec<AcceptedEvent>, Error> {
        let (mut events, mut before) = (Vec::new(), None);
        while events.len() < limit {
            let page = self.page(filter, before, limit - events.len()).await?;
            events.extend(page.events);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        Ok(events)
    }

    /// Reads one page of the events that match, the newest first: at most `limit` events, and at most 500. `before`
    /// is the `next` of the previous page.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn page(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<EventPage, Error> {
        let mut call = self.gateway.call_in_space(Method::GET, "events", "list events");
        let parameters: Vec<_> = filter.parameters().chain(page(before, limit)).collect();
        call.url = call.url.with_query(parameters.iter().map(|(name, value)| ((*name).to_owned(), &**value)));
        self.gateway.read(call).await
    }

    /// Reads the newest event with this id and, if given, from this source and of this type; `None` if there is none.
    /// Events of several sources may have the same id: list them with [`EventFilter::id`].
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn event(
        &self,
        id: &str,
        source: Option<&str>,
        ty: Option<&str>,
    ) -> Result<Option<EventDetail>, Error> {
        let path = format!("events/{}", Url::segment(id));
        let mut call = self.gateway.call_in_space(Method::GET, &path, format!("read event `{id}`"));
        let given = [("source", source), ("type", ty)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        call.url = call.url.with_query(given);
        self.gateway.find(call).await
    }

    /// Reads one page of recent calls of functions, the newest first: at most `limit` calls, and at most 500. `before` is the
    /// `next` of the previous page. The gateway that made a call keeps it in memory, if it keeps calls at all; with several
    /// gateways on one store, the others do not have it.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn calls(
        &self,
        filter: &CallFilter,
        before: Option<i64>,
        limit: usize,
    ) -> Result<CallPage, Error> {
        let mut call = self.gateway.call_in_space(Method::GET, "calls", "list calls");
        let parameters: Vec<_> = filter.parameters().chain(page(before, limit)).collect();
        call.url = call.url.with_query(parameters.iter().map(|(name, value)| ((*name).to_owned(), &**value)));
        self.gateway.read(call).await
    }

    /// Attempts a delivery at once that waits for its next attempt, and counts its attempts anew. Its maximum age stays.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ErrorCode::NotFound`] if no delivery with this id waits for its next attempt: it has ended, an
    /// attempt is under way, or it waits for an earlier event with the same key.
    pub async fn retry(&self, delivery: i64) -> Result<Redriven, Error> {
        let path = format!("deliveries/{delivery}/retry");
        let call = self.gateway.call_in_space(Method::POST, &path, format!("retry delivery {delivery}"));
        self.gateway.read(call).await
    }

    /// Replays stored events. The deliveries in the answer are stored on disk. A replay of many events continues as a
    /// job, which the answer names.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ErrorCode::NotFound`] if the subscription does not exist, with
    /// [`ErrorCode::InvalidRequest`] if the request has neither an event nor a time.
    pub async fn replay(&self, request: &ReplayRequest) -> Result<Replay, Error> {
        let call = self.gateway.call_in_space(Method::POST, "replays", "replay events");
        self.gateway.read(with_body(call, request)).await
    }
}

/// The dead letters of a gateway.
///
/// ```no_run
/// use eg_sdk::EventGateway;
/// use eg_sdk::history::Loss;
///
/// # async fn example() -> Result<(), eg_sdk::Error> {
/// let gateway = EventGateway::from_env()?;
/// for letter in gateway.dead_letters().page(Loss::Dead, None, 100).await?.dead_letters {
///     println!("{} for {}: {}", letter.event_id, letter.function_id, letter.reason);
///     gateway.dead_letters().redrive(letter.dead_letter_id, None).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct DeadLetters<'a> {
    gateway: &'a EventGateway,
}

impl DeadLetters<'_> {
    /// Reads one page, the newest first: at most `limit` dead letters, and at most 500. `before` is the `next` of the
    /// previous page.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn page(&self, loss: Loss, before: Option<i64>, limit: usize) -> Result<DeadLetterPage, Error> {
        let mut call = self.gateway.call_in_space(Method::GET, "dead-letters", "list dead letters");
        let state = ("state", Cow::Borrowed(loss.as_str()));
        let parameters: Vec<_> = iter::once(state).chain(page(before, limit)).collect();
        call.url = call.url.with_query(parameters.iter().map(|(name, value)| ((*name).to_owned(), &**value)));
        self.gateway.read(call).await
    }

    /// Reads one dead letter, dead or expired; `None` if it does not exist or was redriven or discarded.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn get(&self, id: i64) -> Result<Option<DeadLetter>, Error> {
        let path = format!("dead-letters/{id}");
        self.gateway
            .find(self.gateway.call_in_space(Method::GET, &path, format!("read dead letter {id}")))
            .await
    }

    /// Redrives one dead letter, with an edited event if given.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ErrorCode::NotFound`] if it does not exist, with [`ErrorCode::SubscriptionInactive`]
    /// if its subscription was deleted or is disabled.
    pub async fn redrive(&self, id: i64, edited: Option<&RedriveRequest>) -> Result<Redriven, Error> {
        let path = format!("dead-letters/{id}/redrive");
        let call = self.gateway.call_in_space(Method::POST, &path, format!("redrive dead letter {id}"));
        self.gateway
            .read(match edited {
                Some(edited) => with_body(call, edited),
                None => call,
            })
            .await
    }

    /// Redrives all dead letters of the space, or all expired ones. Many of them continue as a job, which the answer
    /// names.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn redrive_all(&self, loss: Loss) -> Result<Redriven, Error> {
        let call =
            self.gateway.call_in_space(Method::POST, "dead-letters/redrive", "redrive all dead letters");
        self.gateway.read(of_state(call, loss)).await
    }

    /// Discards one dead letter. It remains in the history of its event.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ErrorCode::NotFound`] if it does not exist.
    pub async fn discard(&self, id: i64) -> Result<(), Error> {
        let path = format!("dead-letters/{id}");
        let call = self.gateway.call_in_space(Method::DELETE, &path, format!("discard dead letter {id}"));
        self.gateway.configure(call).await.map(drop)
    }

    /// Discards all dead letters of the space, or all expired ones. Many of them continue as a job, which the answer
    /// names.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn discard_all(&self, loss: Loss) -> Result<Discarded, Error> {
        let call = self.gateway.call_in_space(Method::DELETE, "dead-letters", "discard all dead letters");
        self.gateway.read(of_state(call, loss)).await
    }
}

/// The long work of a gateway: replays, redrives, discards, and deliveries of deleted subscriptions.
///
/// ```no_run
/// use eg_sdk::EventGateway;
/// use eg_sdk::history::{JobState, Loss};
///
/// # async fn example() -> Result<(), eg_sdk::Error> {
/// let gateway = EventGateway::from_env()?;
/// if let Some(id) = gateway.dead_letters().redrive_all(Loss::Dead).await?.job_id {
///     while let Some(job) = gateway.jobs().get(id).await?.filter(|job| job.state == JobState::Running) {
///         println!("{} %", job.percent);
///         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Jobs<'a> {
    gateway: &'a EventGateway,
}

impl Jobs<'_> {
    /// Reads one page, the newest first: at most `limit` jobs, and at most 500. `before` is the `next` of the previous
    /// page. The gateway keeps the newest thousand jobs that have ended.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn page(&self, before: Option<i64>, limit: usize) -> Result<JobPage, Error> {
        let mut call = self.gateway.call_in_space(Method::GET, "jobs", "list jobs");
        let parameters: Vec<_> = page(before, limit).collect();
        call.url = call.url.with_query(parameters.iter().map(|(name, value)| ((*name).to_owned(), &**value)));
        self.gateway.read(call).await
    }

    /// Reads one job; `None` if it does not exist.
    ///
    /// # Errors
    /// If the gateway cannot be reached or refuses the request.
    pub async fn get(&self, id: i64) -> Result<Option<Job>, Error> {
        let path = format!("jobs/{id}");
        self.gateway.find(self.gateway.call_in_space(Method::GET, &path, format!("read job {id}"))).await
    }

    /// Stops a running job. What it has done stays done. A job that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ErrorCode::NotFound`] if it does not exist, with [`ErrorCode::Unsupported`] if it
    /// gives up the deliveries of a deleted or disabled subscription.
    pub async fn cancel(&self, id: i64) -> Result<Job, Error> {
        let path = format!("jobs/{id}/cancel");
        self.gateway.read(self.gateway.call_in_space(Method::POST, &path, format!("cancel job {id}"))).await
    }

    /// Continues a cancelled job where it stopped. Another job stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`ErrorCode::NotFound`] if it does not exist.
    pub async fn resume(&self, id: i64) -> Result<Job, Error> {
        let path = format!("jobs/{id}/resume");
        self.gateway.read(self.gateway.call_in_space(Method::POST, &path, format!("resume job {id}"))).await
    }
}

/// Adds the state of the deliveries that `call` is about.
fn of_state(mut call: Call<'_>, loss: Loss) -> Call<'_> {
    call.url = call.url.with_query(iter::once(("state".to_owned(), loss.as_str())));
    call
}

/// Returns the query parameters of a page.
fn page<'a>(before: Option<i64>, limit: usize) -> impl Iterator<Item = (&'static str, Cow<'a, str>)> {
    let limit = limit.clamp(1, MAX_PAGE).to_string();
    let before = before.map(|before| ("before", Cow::Owned(before.to_string())));
    iter::once(("limit", Cow::Owned(limit))).chain(before)
}
