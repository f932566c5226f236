//! Asks the system for the addresses of names, in bounds: callers with the same name share one question, few questions
//! are open at a time, and nobody waits long for one. `resolve` decides which addresses are allowed.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{Semaphore, oneshot};

/// Maximum number of open questions. Each takes a thread until the system answers, which can take minutes.
const OPEN: usize = 32;

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An answer that several callers share.
type Answer = Result<Vec<IpAddr>, Arc<io::Error>>;

/// The open questions. Clones share them.
#[derive(Clone)]
pub(super) struct Lookups(Arc<Inner>);

/// Asks for the addresses of a name, and blocks until there is an answer.
type Ask = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

struct Inner {
    ask: Box<Ask>,
    patience: Duration,
    slots: Semaphore,
    open: Mutex<HashMap<String, Shared<BoxFuture<'static, Answer>>>>,
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

impl Lookups {
    /// Asks the system.
    pub(super) fn system() -> Self {
        let ask = |name: &str| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        };
        Self::new(ask, PATIENCE)
    }

    fn new(
        ask: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
        patience: Duration,
    ) -> Self {
        let (slots, open) = (Semaphore::new(OPEN), Mutex::default());
        Self(Arc::new(Inner { ask: Box::new(ask), patience, slots, open }))
    }

    /// Returns the addresses of `name`.
    pub(super) async fn find(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let answer = self.ask(name);
        match tokio::time::timeout(self.0.patience, answer).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(io::Error::new(error.kind(), error)),
            Err(_) => {
                let seconds = self.0.patience.as_secs_f32();
                let message = format!("the name `{name}` was not resolved within {seconds} s");
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            }
        }
    }

    /// Returns the answer to the open question about `name`, which is asked now if there is none.
    fn ask(&self, name: &str) -> impl Future<Output = Answer> + use<> {
        let mut open = self.open();
        if let Some(answer) = open.get(name) {
            return answer.clone();
        }
        let (answered, answer) = oneshot::channel();
        let answer = async move { answer.await.unwrap_or_else(|gone| Err(Arc::new(io::Error::other(gone)))) };
        let answer = answer.boxed().shared();
        open.insert(name.to_owned(), answer.clone());
        // Without a runtime, the question is closed at once, for which it needs the lock.
        drop(open);
        let question = Question { lookups: self.clone(), name: name.to_owned() };
        // Spawned, so that the question stays open until the system answers, whoever still waits.
        tokio::spawn(async move {
            let found = question.lookups.ask_system(question.name.clone()).await;
            drop(question);
            // Perhaps nobody waits any more.
            let _ = answered.send(found);
        });
        answer
    }

    async fn ask_system(&self, name: String) -> Answer {
        let _slot = self.0.slots.acquire().await.map_err(|error| Arc::new(io::Error::other(error)))?;
        let inner = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || (inner.ask)(&name)).await;
        answer.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(Arc::new)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<String, Shared<BoxFuture<'static, Answer>>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open question. It is closed when this is dropped, also if its runtime ends before the answer.
struct Question {
    lookups: Lookups,
    name: String,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.lookups.open().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A hung answer of a name server blocked a thread for each call: in the end all 512 of them, and with them the store's
    /// queries.
    #[tokio::test]
    async fn a_hung_answer_takes_one_thread_and_no_other_name() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (release, hold) = mpsc::channel::<()>();
        let hold = Mutex::new(hold);
        let count = Arc::clone(&asked);
        let ask = move |name: &str| {
            if name == "hung" {
                count.fetch_add(1, Ordering::SeqCst);
                // Ends when the other side is dropped.
                let _ = hold.lock().unwrap().recv();
            }
            Ok(vec![HERE])
        };
        let lookups = Lookups::new(ask, Duration::from_millis(50));
        let calls: Vec<_> = (0..600)
            .map(|_| {
                let lookups = lookups.clone();
                tokio::spawn(async move { lookups.find("hung").await })
            })
            .collect();
        // On a busy machine, an answer may take longer than the patience of this test.
        while lookups.find("other").await.is_err() {}
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "the name `hung` was not resolved within 0.05 s");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        drop(release);
        while lookups.find("hung").await.is_err() {}
    }

    #[tokio::test]
    async fn few_questions_are_open_at_a_time() {
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, peak) = (Arc::clone(&open), Arc::clone(&most));
        let ask = move |_: &str| {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            now.fetch_sub(1, Ordering::SeqCst);
            Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))
        };
        let lookups = Lookups::new(ask, Duration::from_secs(30));
        let calls: Vec<_> = (0..4 * OPEN)
            .map(|n| {
                let lookups = lookups.clone();
                tokio::spawn(async move { lookups.find(&n.to_string()).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap_err().to_string(), "no such name");
        }
        assert!(most.load(Ordering::SeqCst) <= OPEN, "{most:?}");
        assert!(lookups.open().is_empty());
    }
}
