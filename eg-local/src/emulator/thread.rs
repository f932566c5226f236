//! The one thread on which everything of an emulator happens. An invocation is a chain of small steps between sockets: on
//! one thread each follows the last, and no other thread has to be woken for it, which would take longer than the step. Nor
//! does the thread fall asleep when the next step may be near.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};

/// How long it stays awake after a step at least, and at most twice as long: longer than a quick function or its caller
/// takes for the next one.
const MOMENT: Duration = Duration::from_micros(300);

/// Ends with the value, and with it the tasks that still run there.
#[derive(Debug)]
pub(super) struct Thread {
    handle: Handle,
    lookout: Lookout,
    /// The thread ends when this is gone.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let lookout = Lookout::default();
        let alone = thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
        let looks = (!alone).then(|| lookout.clone());
        let thread = thread::Builder::new().name("emulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                if let Some(looks) = looks {
                    tokio::spawn(looks.look());
                }
                // Nothing is ever sent.
                let _ = ended.await;
            });
        })?;
        Ok(Self { handle, lookout, end: Some(end), thread: Some(thread) })
    }

    /// What keeps it awake.
    pub(super) fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    /// Where its tasks are spawned.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}

/// Keeps the thread awake for a moment, because the next step of an invocation may be near: the answer of a quick function,
/// the next call of a caller who has just got its answer. To fall asleep and be woken takes longer than such a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookout(Arc<Notify>);

impl Lookout {
    /// The next step may be near.
    pub(super) fn expect_more(&self) {
        self.0.notify_one();
    }

    async fn look(self) {
        loop {
            self.0.notified().await;
            let begun = Instant::now();
            while begun.elapsed() < MOMENT {
                // Who needs the processor more is let through, and the sockets are looked at.
                thread::yield_now();
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // What panicked there has said so.
            let _ = thread.join();
        }
    }
}
