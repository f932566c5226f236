//! Watches source files and reports which of them changed. What to do about it is left to the caller.
//!
//! Folders are watched one by one instead of recursively: packages contain folders with tens of thousands of files
//! that nobody edits (`target`, `node_modules`), and each would cost a watch.

mod folders;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

pub(crate) use folders::{Sources, find, fingerprint, of_file};

use crate::exit::{Exit, Failure};

/// How long the files must be quiet until a change is complete: editors and version control write in several steps.
const QUIET: Duration = Duration::from_millis(60);

/// How long a change may go on before it is reported anyway.
const PATIENCE: Duration = Duration::from_secs(1);

/// Watches source files.
#[derive(Debug)]
pub(crate) struct Watcher {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<notify::Result<Event>>,
    sources: Sources,
    /// The folders that the operating system watches for us.
    watched: BTreeSet<PathBuf>,
    /// The fingerprints of cargo's lock files after the last build, which writes them itself.
    locks: BTreeMap<PathBuf, u64>,
}

impl Watcher {
    pub(crate) fn new(sources: Sources) -> Result<Self, Failure> {
        let (sender, events) = mpsc::unbounded_channel();
        let handler = move |event| {
            // Fails only if the receiver is gone.
            let _ = sender.send(event);
        };
        let watcher = notify::recommended_watcher(handler).map_err(|error| cannot_watch(&error))?;
        let mut this = Self {
            watcher,
            events,
            sources: Sources::default(),
            watched: BTreeSet::new(),
            locks: BTreeMap::new(),
        };
        this.follow(sources)?;
        Ok(this)
    }

    /// Watches `sources` from now on. Earlier changes that have not been fetched are still reported.
    pub(crate) fn follow(&mut self, sources: Sources) -> Result<(), Failure> {
        self.sources = sources;
        let mut wanted = self.sources.folders();
        for gone in self.watched.difference(&wanted) {
            // Fails for a folder that was deleted, which is no longer watched anyway.
            let _ = self.watcher.unwatch(gone);
        }
        let mut missing = Vec::new();
        for new in wanted.difference(&self.watched) {
            match self.watcher.watch(new, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // The folder was deleted after it was listed, or it belongs to a file that does not exist.
                Err(_) if !new.exists() => missing.push(new.clone()),
                Err(error) => return Err(cannot_watch(&error)),
            }
        }
        for folder in missing {
            wanted.remove(&folder);
        }
        self.watched = wanted;
        Ok(())
    }

    /// Notes that a build has finished. The files that it wrote do not count as changes.
    pub(crate) fn built(&mut self) {
        let locks = self.sources.files.iter().filter(|file| file.ends_with("Cargo.lock"));
        self.locks = locks.map(|file| (file.clone(), of_file(file))).collect();
    }

    /// Waits for the next change of sources until it is complete. Returns the changed paths, sorted.
    pub(crate) async fn changed(&mut self) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        while changed.is_empty() {
            match self.events.recv().await {
                Some(event) => self.collect(event, &mut changed),
                // The watcher is ours, so its channel stays open.
                None => std::future::pending().await,
            }
        }
        let _ = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(event)) = tokio::time::timeout(QUIET, self.events.recv()).await {
                self.collect(event, &mut changed);
            }
        })
        .await;
        changed
    }

    fn collect(&mut self, event: notify::Result<Event>, changed: &mut BTreeSet<PathBuf>) {
        match event {
            Ok(event) if event.need_rescan() => changed.extend(self.sources.roots()),
            Ok(Event { kind: EventKind::Access(_), .. }) => {}
            Ok(event) => {
                if !matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))) {
                    // A folder that was moved or recreated is no longer watched under its name.
                    self.watched.retain(|folder| !event.paths.iter().any(|path| folder.starts_with(path)));
                }
                let known = |path: &PathBuf| self.locks.get(path).is_some_and(|lock| *lock == of_file(path));
                let paths = event.paths.into_iter();
                changed.extend(paths.filter(|path| self.sources.matter(path) && !known(path)));
            }
            // Events were lost, so everything counts as changed.
            Err(_) => changed.extend(self.sources.roots()),
        }
    }
}

fn cannot_watch(error: &notify::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot watch the sources: {error}"))
        .hint("--no-watch runs without watching; on Linux, `sysctl fs.inotify` shows the limits")
}

/// Describes what changed: one file, or the first file and the number of others. Paths are relative to `current`.
pub(crate) fn describe(changed: &BTreeSet<PathBuf>, current: &Path) -> String {
    let Some(first) = changed.first() else { return "nothing changed".to_owned() };
    let first = first.strip_prefix(current).unwrap_or(first).display();
    match changed.len() {
        1 => format!("{first} changed"),
        count => format!("{first} and {} more changed", count - 1),
    }
}
