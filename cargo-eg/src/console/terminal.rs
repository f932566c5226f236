//! Prints the live view on a thread of its own, so that a terminal that is stopped (Ctrl-S) or slow stops nothing
//! else. Formatting the lines is left to `lines`.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anstream::ColorChoice;
use eg_gateway::Activity;
use eg_local::TriggerActivity;
use eg_local::emulator::{Printed, Stream};
use time::OffsetDateTime;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::oneshot;

use super::functions::Functions;
use super::lines::Live;
use super::progress;
use super::text::{DIM, time_of_day};

/// The number of lines that wait for the terminal. Further lines are left out and counted.
const WAITING: usize = 4_096;

/// The most that is shown of a line that a function printed, in bytes. The log has all of it.
const LONGEST: usize = 8 * 1024;

/// How long the last lines may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// Collects what happens and prints it as lines; cheap to clone. Nothing is printed before [`open`](Screen::open).
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    sender: SyncSender<(OffsetDateTime, Happening)>,
    left_out: Arc<AtomicUsize>,
}

/// The printing end of a feed.
#[derive(Debug)]
pub(crate) struct Screen {
    receiver: Receiver<(OffsetDateTime, Happening)>,
    left_out: Arc<AtomicUsize>,
    live: Live,
}

/// Something that the live view shows or needs to know.
#[derive(Debug)]
enum Happening {
    Activity(Box<Activity>),
    Trigger(TriggerActivity),
    Printed {
        function: String,
        stream: Stream,
        line: Vec<u8>,
    },
    /// The functions that run from now on.
    Functions(Functions),
    /// Everything before it was printed.
    End(oneshot::Sender<()>),
}

/// Creates a feed and its screen. With `quiet`, the lines that functions print are not shown.
pub(crate) fn feed(quiet: bool) -> (Feed, Screen) {
    let (sender, receiver) = sync_channel(WAITING);
    let left_out = Arc::new(AtomicUsize::new(0));
    (Feed { sender, left_out: left_out.clone() }, Screen { receiver, left_out, live: Live::new(quiet) })
}

impl Feed {
    pub(crate) fn trigger(&self, activity: TriggerActivity) {
        self.add(Happening::Trigger(activity));
    }

    pub(crate) fn printed(&self, printed: Printed<'_>) {
        let Printed { function, stream, line, .. } = printed;
        let (function, mut line) = (function.to_owned(), line[..line.len().min(LONGEST)].to_owned());
        if line.len() < printed.line.len() {
            line.extend_from_slice(" …".as_bytes());
        }
        self.add(Happening::Printed { function, stream, line });
    }

    /// Sets the functions that run from now on.
    pub(crate) fn functions(&self, functions: Functions) {
        self.add(Happening::Functions(functions));
    }

    /// Adds the activities of a gateway until it has stopped.
    pub(crate) async fn follow(self, mut activities: broadcast::Receiver<Activity>) {
        loop {
            match activities.recv().await {
                Ok(activity) => self.add(Happening::Activity(Box::new(activity))),
                Err(RecvError::Lagged(count)) => {
                    self.left_out.fetch_add(usize::try_from(count).unwrap_or(usize::MAX), Ordering::Relaxed);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Waits until the lines so far are printed, but not for a terminal that does not take them.
    pub(crate) async fn finish(&self) {
        let (sender, printed) = oneshot::channel();
        let mut end = (OffsetDateTime::now_utc(), Happening::End(sender));
        let finish = async {
            while let Err(TrySendError::Full(again)) = self.sender.try_send(end) {
                end = again;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // Fails if nothing was ever printed.
            let _ = printed.await;
        };
        let _ = tokio::time::timeout(FAREWELL, finish).await;
    }

    fn add(&self, happening: Happening) {
        // Fails while the terminal is too slow, or once the screen is closed.
        if self.sender.try_send((OffsetDateTime::now_utc(), happening)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Screen {
    /// Starts to print, beginning with what was collected so far.
    pub(crate) fn open(mut self) {
        std::thread::spawn(move || {
            while let Ok((at, happening)) = self.receiver.recv() {
                let line = match happening {
                    Happening::Activity(activity) => self.live.activity(&activity),
                    Happening::Trigger(activity) => self.live.trigger(&activity),
                    Happening::Printed { function, stream, line } => {
                        self.live.printed(&function, stream, &line)
                    }
                    Happening::Functions(functions) => {
                        self.live.know(functions);
                        None
                    }
                    Happening::End(printed) => {
                        // Fails if nobody waits any more.
                        let _ = printed.send(());
                        None
                    }
                };
                if let Some(line) = line {
                    show(&format!("{DIM}{}{DIM:#} {line}", time_of_day(at)));
                }
                match self.left_out.swap(0, Ordering::Relaxed) {
                    0 => {}
                    count => show(&format!("… {count} lines left out: too much at once")),
                }
            }
        });
    }
}

/// Prints a line on standard error in one piece, so that the lines of other programs cannot come in between.
pub(crate) fn show(line: &str) {
    static COLOURED: LazyLock<bool> =
        LazyLock::new(|| anstream::AutoStream::choice(&std::io::stderr()) != ColorChoice::Never);
    let line =
        if *COLOURED { format!("{line}\n") } else { format!("{}\n", anstream::adapter::strip_str(line)) };
    progress::beside(|| {
        // Nobody is left to read it.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_terminal_that_takes_nothing_stops_nothing() {
        let (feed, screen) = feed(false);
        for _ in 0..WAITING + 3 {
            let (queue, error) = ("orders".to_owned(), "disk full".to_owned());
            feed.trigger(TriggerActivity::QueueFailed { queue, error });
        }
        assert_eq!(screen.left_out.load(Ordering::Relaxed), 3);
        feed.finish().await;
        assert_eq!(screen.receiver.try_iter().count(), WAITING, "the lines that wait are kept");
    }
}
