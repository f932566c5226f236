//! Watches source files and reports which of them changed. What to do about it is left to the caller.
//!
//! Folders are watched one by one instead of recursively: packages contain folders with tens of thousands of files
//! that nobody edits (`target`, `node_modules`), and each would cost a watch.

mod content;
mod repeats;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

pub(crate) use content::{fingerprint, of_file};
pub(crate) use sources::{Sources, find, program_files};

use crate::exit::{Exit, Failure, warn};

use content::of_content;
use repeats::Repeats;

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
    /// The contents of the sources when they were last reported.
    known: BTreeMap<PathBuf, u64>,
    repeats: Repeats,
}

/// What the events since the last report may have changed.
#[derive(Debug, Default)]
struct Touched {
    files: BTreeSet<PathBuf>,
    /// Whether any source may have changed: a folder appeared or went, or events were lost.
    anything: bool,
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
            known: BTreeMap::new(),
            repeats: Repeats::default(),
        };
        this.follow(sources)?;
        Ok(this)
    }

    /// Watches `sources` from now on. Earlier changes that have not been fetched are still reported.
    pub(crate) fn follow(&mut self, sources: Sources) -> Result<(), Failure> {
        self.sources = sources.resolved();
        self.watch_folders()?;
        // What was not followed before is known as it is now.
        for file in self.sources.list() {
            if let Some(content) = of_content(&file) {
                self.known.entry(file).or_insert(content);
            }
        }
        Ok(())
    }

    fn watch_folders(&mut self) -> Result<(), Failure> {
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

    /// Notes that a build has finished. The lock files that it wrote do not count as changes.
    pub(crate) fn built(&mut self) {
        for lock in self.sources.files.iter().filter(|file| file.ends_with("Cargo.lock")) {
            if let Some(content) = of_content(lock) {
                self.known.insert(lock.clone(), content);
            }
        }
    }

    /// Notes that the reload for the last reported change has ended.
    pub(crate) fn done(&mut self) {
        self.repeats.done(Instant::now());
    }

    /// Waits for the next change of sources until it is complete. Returns the changed paths, sorted. If files change
    /// after every reload, the next report is delayed.
    pub(crate) async fn changed(&mut self) -> BTreeSet<PathBuf> {
        let mut changed = self.next().await;
        let Some(delay) = self.repeats.delay(&changed, Instant::now()) else { return changed };
        let first = changed.first().map(|path| path.display().to_string()).unwrap_or_default();
        warn(&format!(
            "{first} changes again and again, as if the build or a function writes it: the next build is in {} s; \
             functions can write to EG_DATA_DIR",
            delay.as_secs()
        ));
        let end = tokio::time::Instant::now() + delay;
        while let Ok(more) = tokio::time::timeout_at(end, self.next()).await {
            let is_other = !more.is_subset(&changed);
            changed.extend(more);
            if is_other {
                break;
            }
        }
        changed
    }

    async fn next(&mut self) -> BTreeSet<PathBuf> {
        loop {
            let mut touched = Touched::default();
            match self.events.recv().await {
                Some(event) => self.collect(event, &mut touched),
                // The watcher is ours, so its channel stays open.
                None => std::future::pending().await,
            }
            let _ = tokio::time::timeout(PATIENCE, async {
                while let Ok(Some(event)) = tokio::time::timeout(QUIET, self.events.recv()).await {
                    self.collect(event, &mut touched);
                }
            })
            .await;
            let changed = self.compare(touched);
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    fn collect(&mut self, event: notify::Result<Event>, touched: &mut Touched) {
        match event {
            Ok(event) if event.need_rescan() => touched.anything = true,
            Ok(Event { kind: EventKind::Access(_), .. }) => {}
            Ok(event) => {
                if !matches!(event.kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))) {
                    // A folder that was moved or recreated is no longer watched under its name.
                    let before = self.watched.len();
                    self.watched.retain(|folder| !event.paths.iter().any(|path| folder.starts_with(path)));
                    let is_folder = event.paths.iter().any(|path| path.is_dir());
                    touched.anything |= is_folder || self.watched.len() < before;
                }
                touched.files.extend(event.paths.into_iter().filter(|path| self.sources.matter(path)));
            }
            // Events were lost.
            Err(_) => touched.anything = true,
        }
    }

    /// Returns the touched files whose content differs from what is known, and remembers it.
    fn compare(&mut self, touched: Touched) -> BTreeSet<PathBuf> {
        let mut files = touched.files;
        if touched.anything {
            // A failure is reported when the next change is dealt with.
            let _ = self.watch_folders();
            files.extend(self.sources.list());
            files.extend(self.known.keys().filter(|file| self.sources.matter(file)).cloned());
        }
        files.retain(|file| match of_content(file) {
            Some(content) => self.known.insert(file.clone(), content) != Some(content),
            None => self.known.remove(file).is_some(),
        });
        files
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
