//! Reads the streams of tables and Kinesis streams where the environment names servers on this machine for them, and calls the
//! functions that follow them. Which records a server has is left to `source`, and the order of calls to `reader`.

mod reader;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eg_grammar::StreamKind;
use eg_local::Observer;
use eg_local::emulator::Invoker;
use eg_sdk::manifest::{Function, Trigger};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::needs::tries_of_stream;
use crate::project::deploy::Deploy;
use crate::project::services::Service;

use self::reader::Reader;
use self::source::Source;

/// How many records a batch has if the function does not say. Lambda's default.
const BATCH: u32 = 100;

/// A function, and a stream that it follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Followed {
    function: String,
    /// `true` for the stream of a table, `false` for a Kinesis stream.
    is_table: bool,
    /// The name in the code.
    name: String,
    /// The name on this machine.
    local: String,
    batch: u32,
    window: Duration,
    /// How often a record is tried.
    attempts: u32,
}

/// The functions that follow streams. They get what is written from the start of the application on.
#[derive(Debug)]
pub(super) struct Readers {
    invoker: Invoker,
    observer: Observer,
    /// Cancelled once calls may begin.
    opened: CancellationToken,
    running: BTreeMap<Followed, CancellationToken>,
    tasks: TaskTracker,
}

impl Readers {
    pub(super) fn new(invoker: Invoker, observer: Observer) -> Self {
        let opened = CancellationToken::new();
        Self { invoker, observer, opened, running: BTreeMap::new(), tasks: TaskTracker::new() }
    }

    /// Lets the readers call functions. Until then, they only have their positions.
    pub(super) fn open(&self) {
        self.opened.cancel();
    }

    /// Sets what is followed. Readers of the same streams, for the same functions with the same
    /// settings, keep their positions. When this returns, each new one has its position,
    /// if its server answers.
    pub(super) async fn set(&mut self, wanted: Vec<Followed>) {
        self.running.retain(|followed, stop| {
            let stays = wanted.contains(followed);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for followed in wanted {
            if self.running.contains_key(&followed) {
                continue;
            }
            let Some(source) = Source::of(&followed) else { continue };
            let stop = CancellationToken::new();
            let reader = Reader {
                followed: followed.clone().into(),
                source: source.into(),
                invoker: self.invoker.clone(),
                observer: self.observer.clone(),
                stop: stop.clone(),
            };
            let begun = reader.begin().await;
            let reading = reader.run(begun, self.tasks.clone());
            let (opened, stopped) = (self.opened.clone(), stop.clone());
            self.tasks.spawn(async move {
                if opened.run_until_cancelled_owned(stopped.cancelled_owned()).await.is_none() {
                    reading.await;
                }
            });
            self.running.insert(followed, stop);
        }
    }

    /// Returns once no call is running.
    pub(super) async fn stop(&mut self) {
        for stop in std::mem::take(&mut self.running).into_values() {
            stop.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.running.values().for_each(CancellationToken::cancel);
    }
}

/// Returns what the functions of the services follow.
pub(super) fn followed(services: &[Service]) -> Vec<Followed> {
    let of = |service: &Service| {
        let functions = service.manifest.functions.iter();
        let all = functions.flat_map(|function| {
            function.triggers.iter().filter_map(move |trigger| one(service, function, trigger))
        });
        all.collect::<Vec<_>>()
    };
    services.iter().flat_map(of).collect()
}

fn one(service: &Service, function: &Function, trigger: &Trigger) -> Option<Followed> {
    let Trigger::Stream { stream, source, batch_size, window, retry, .. } = trigger else { return None };
    let is_table = match source {
        StreamKind::DynamoDb => true,
        StreamKind::Kinesis => false,
        // There is no HTTP API with which records of Kafka can be read.
        StreamKind::Kafka => return None,
    };
    let table = || {
        let stage = service.deploy.as_ref().map(Deploy::local)?;
        let table = stage.tables.get(stream)?;
        // A variable that is set names a table of the user's.
        let name = std::env::var(&table.variable).unwrap_or_else(|_| stage.table_name(stream, table));
        Some(name.rsplit_once(":table/").map_or(name.clone(), |(_, name)| name.to_owned()))
    };
    let (attempts, _) = tries_of_stream(retry.as_ref());
    Some(Followed {
        function: function.id.clone(),
        is_table,
        name: stream.clone(),
        local: is_table.then(table).flatten().unwrap_or_else(|| stream.clone()),
        batch: batch_size.unwrap_or(BATCH),
        window: window.map(|seconds| Duration::from_secs(seconds.into())).unwrap_or_default(),
        attempts,
    })
}

/// Returns the names of the tables on this machine whose streams functions follow.
pub(super) fn tables(services: &[Service]) -> BTreeSet<String> {
    followed(services)
        .into_iter()
        .filter(|followed| followed.is_table)
        .map(|followed| followed.local)
        .collect()
}
