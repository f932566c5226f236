//! Emits to EventBridge in batches of `PutEvents` calls, and repeats only failed entries. Leaves conversion and
//! limits to `eventbridge`, the bytes of a call to `wire`, and its signature to `aws`.

mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::wire::{Outcome, PUT_EVENTS, PutEvents};
use super::aws::{self, Signer};
use super::http::{Failed, Http};
use super::retry::Failure;
use super::url::{Url, parse_url};
use super::{Error, emit};
use crate::eventbridge::{DetailFormat, Entry, chunks};
use crate::{CloudEvent, Data, EventBus};
use eg_grammar::variable::EVENT_BUS;

/// One event bus.
#[derive(Debug, Clone)]
pub(super) struct Bus {
    name: String,
    url: Url,
    signer: Signer,
    max_event_bytes: usize,
    detail: DetailFormat,
}

/// An event to send, and the state of its delivery to the bus.
struct Pending<'a> {
    event: &'a CloudEvent<Data>,
    entry: Entry,
    at: usize,
}

/// What remains to be done after a call.
struct Round<'a> {
    again: Vec<(Pending<'a>, Error)>,
    permanent: Vec<(Pending<'a>, Error)>,
    retry_after: Option<Duration>,
}

impl Bus {
    pub(super) fn new(bus: EventBus) -> Result<Self, Error> {
        let missing = |reason| Error::Setting { variable: EVENT_BUS, value: bus.name.clone(), reason };
        let region = aws::region_of(&bus.name).unwrap_or(&bus.aws.region).to_owned();
        if region.is_empty() {
            return Err(missing("its region is not known; set AWS_REGION"));
        }
        let url = match &bus.endpoint {
            Some(endpoint) => parse_url(endpoint)?,
            None => parse_url(&eg_grammar::region::endpoint(PUT_EVENTS.service, &region))?,
        };
        let signer = Signer::new(&bus.aws, region).ok_or_else(|| {
            missing("there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        })?;
        Ok(Self { name: bus.name, url, signer, max_event_bytes: bus.max_event_bytes, detail: bus.detail })
    }

    /// Puts events on the bus. Returns one result per event, in order. An entry without an answer may be on the bus
    /// already; if it is repeated, the bus has it twice, with the same `ce.id`.
    pub(super) async fn put(&self, http: &Http, events: &[CloudEvent<Data>]) -> Vec<Result<(), Error>> {
        let started = Instant::now();
        let mut results: Vec<Result<(), Error>> = events.iter().map(|_| Ok(())).collect();
        let mut ready = Vec::with_capacity(events.len());
        for (at, event) in events.iter().enumerate() {
            match self.entry(event) {
                Ok(entry) => ready.push(Pending { event, entry, at }),
                Err(e) => results[at] = Err(e),
            }
        }
        let sizes: Vec<usize> = ready.iter().map(|pending| pending.entry.size()).collect();
        let mut ready = ready.into_iter();
        for chunk in chunks(&sizes, self.max_event_bytes) {
            let pending = ready.by_ref().take(chunk.len()).collect();
            for (at, e) in self.put_chunk(http, pending, started).await {
                results[at] = Err(e);
            }
        }
        results
    }

    fn entry(&self, event: &CloudEvent<Data>) -> Result<Entry, Error> {
        Entry::new(event.clone(), self.detail)
            .and_then(|entry| entry.check_size(self.max_event_bytes).map(|()| entry))
            .map_err(|source| Error::Entry { ty: event.ty().to_owned(), id: event.id().to_owned(), source })
    }

    /// Sends one call, then repeats its failed entries, until none is left or the policy gives up. Returns the
    /// positions of the events that are not on the bus.
    async fn put_chunk<'a>(
        &self,
        http: &Http,
        mut pending: Vec<Pending<'a>>,
        started: Instant,
    ) -> Vec<(usize, Error)> {
        let mut failed = Vec::new();
        let mut attempt = 1;
        loop {
            let Round { again, permanent, retry_after } = self.round(http, pending, attempt, started).await;
            failed.extend(permanent.into_iter().map(|(pending, error)| (pending.at, error)));
            let wait = if again.is_empty() { None } else { http.wait(attempt, started, retry_after) };
            let Some(wait) = wait else {
                failed.extend(again.into_iter().map(|(pending, error)| (pending.at, error)));
                return failed;
            };
            tokio::time::sleep(wait).await;
            pending = again.into_iter().map(|(pending, _)| pending).collect();
            attempt += 1;
        }
    }

    /// Sends one call. Returns what remains to be done.
    async fn round<'a>(
        &self,
        http: &Http,
        pending: Vec<Pending<'a>>,
        attempt: u32,
        started: Instant,
    ) -> Round<'a> {
        let mut round = Round { again: Vec::new(), permanent: Vec::new(), retry_after: None };
        match self.call(http, &pending, attempt, started).await {
            Ok(outcomes) => {
                for (pending, outcome) in pending.into_iter().zip(outcomes) {
                    let Outcome::Failed { code, message } = outcome else { continue };
                    let list = if aws::is_transient(&code) { &mut round.again } else { &mut round.permanent };
                    let error = self.refusal(pending.event, code, message);
                    list.push((pending, error));
                }
            }
            Err(failed) => {
                let list = if aws::may_pass(&failed) { &mut round.again } else { &mut round.permanent };
                *list = share(failed.error, pending);
                round.retry_after = failed.failure.retry_after();
            }
        }
        round
    }

    async fn call(
        &self,
        http: &Http,
        pending: &[Pending<'_>],
        attempt: u32,
        started: Instant,
    ) -> Result<Vec<Outcome>, Failed> {
        let action = match pending {
            [one] => emit::action_of(one.event),
            many => format!("emit {} events", many.len()),
        };
        let entries = pending.iter().map(|pending| &pending.entry);
        let body = PutEvents::new(&self.name, entries).to_json();
        let answer = |reason: String| Failed {
            error: Error::Answer { action: action.clone(), url: self.url.to_string(), reason },
            failure: Failure::Status { status: 200, retry_after: None },
        };
        let request = self.signer.sign(&PUT_EVENTS, &self.url, &body).map_err(answer)?;
        let timeout = http.time_left(attempt, started);
        let reply = http.exchange(request, &action, &self.url, timeout).await.map_err(aws::no_gateway)?;
        wire::outcomes(&reply.body, pending.len()).map_err(answer)
    }

    fn refusal(&self, event: &CloudEvent<Data>, code: String, message: String) -> Error {
        Error::Bus { action: emit::action_of(event), bus: self.name.clone(), code, message }
    }
}

/// Turns the error of a call into the error of each of its events.
fn share<'a>(error: Error, pending: Vec<Pending<'a>>) -> Vec<(Pending<'a>, Error)> {
    if pending.len() == 1 {
        return pending.into_iter().zip([error]).collect();
    }
    let shared = Arc::new(error);
    let with_error = |pending: Pending<'a>| {
        let action = emit::action_of(pending.event);
        (pending, Error::Call { action, source: Arc::clone(&shared) })
    };
    pending.into_iter().map(with_error).collect()
}
