//! Manages the state directory, which keeps everything that outlives a run. It knows the paths; the contents are left
//! to other modules.
//!
//! The directory may come with a project that somebody else has written, so nothing is written through a symbolic link.
//! What a service keeps in its folder below `data` is the service's own business. The directory may contain secrets, so
//! only its owner can read it.

mod private;
pub(crate) mod running;
pub(crate) mod schemas;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use private::create_folder;

use crate::exit::{Exit, Failure};

/// Its name in the workspace's root.
pub(crate) const NAME: &str = ".eg";

/// The file with the id of the process that has locked the directory.
const PROCESS: &str = "pid";

/// The state directory of one application.
#[derive(Debug, Clone)]
pub(crate) struct State {
    root: PathBuf,
    /// Whether the user named it.
    is_named: bool,
}

/// The exclusive lock of a state directory.
#[derive(Debug)]
pub(crate) struct Lock {
    _folder: File,
}

impl State {
    /// Returns the directory that the user named, or else the one in the workspace at `workspace_root`.
    pub(crate) fn locate(
        asked: Option<&Path>,
        workspace_root: impl FnOnce() -> Result<PathBuf, Failure>,
    ) -> Result<Self, Failure> {
        let root = match asked {
            Some(root) => std::path::absolute(root).map_err(|error| Failure::new(Exit::Usage, error))?,
            None => workspace_root()?.join(NAME),
        };
        Ok(Self { root, is_named: asked.is_some() })
    }

    /// Returns the state directory in `folder` or in the nearest folder above it.
    pub(crate) fn around(folder: &Path) -> Option<Self> {
        let mut roots = folder.ancestors().map(|folder| folder.join(NAME));
        Some(Self { root: roots.find(|root| root.is_dir())?, is_named: false })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the directory, closes it to other users unless the user named it, and excludes it from version control.
    /// Fails if a path that is written here is a symbolic link; the directory itself may be one if the user named it.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            let message = format!("cannot create the state directory `{}`: {error}", self.root.display());
            Failure::new(Exit::Failed, message).hint("choose another one with --state-dir")
        };
        create_folder(&self.root).map_err(failed)?;
        let link = if self.is_named { None } else { private::link_at(&self.root).map_err(failed)? };
        let link =
            link.map_or_else(|| private::link_in(&self.root), |link| Ok(Some(link))).map_err(failed)?;
        if let Some(link) = link {
            let message =
                format!("`{}` is a symbolic link, and state is not written through links", link.display());
            return Err(Failure::new(Exit::Failed, message)
                .hint("remove it, or choose another state directory with --state-dir"));
        }
        if !self.is_named {
            // It may have come with the project, with the mode of other folders.
            private::close(&self.root).map_err(failed)?;
        }
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            private::write(&ignore, b"*\n").map_err(failed)?;
        }
        Ok(())
    }

    /// Locks the directory, so that only one process at a time uses it. The lock ends with the process, even if it is
    /// killed. It belongs to the directory, not to a file in it that somebody could delete.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        self.create()?;
        let failed = |error: io::Error| {
            Failure::new(Exit::Failed, format!("cannot lock `{}`: {error}", self.root.display()))
        };
        let folder = File::open(&self.root).map_err(failed)?;
        let process = self.root.join(PROCESS);
        match folder.try_lock() {
            Ok(()) => {
                let id = std::process::id().to_string();
                private::write(&process, id.as_bytes()).map_err(failed)?;
                Ok(Lock { _folder: folder })
            }
            Err(TryLockError::WouldBlock) => {
                // Without an id, the message has less to say.
                let id = std::fs::read_to_string(&process).ok().and_then(|id| id.parse::<u32>().ok());
                let (named, stop) = match id {
                    Some(id) => (format!(" (process {id})"), format!("Ctrl-C or `kill {id}`")),
                    None => (String::new(), "Ctrl-C".to_owned()),
                };
                let folder = self.root.display();
                let message =
                    format!("another `cargo eg run`{named} already runs with the state in {folder}");
                Err(Failure::new(Exit::Failed, message).hint(format!(
                    "stop it with {stop}, or give this one a folder of its own with --state-dir"
                )))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Returns the path of the gateway's store.
    pub(crate) fn gateway(&self) -> PathBuf {
        self.root.join("gateway")
    }

    /// Returns the folder of the logs: one file per function.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Returns the path of the queues' messages.
    pub(crate) fn queues(&self) -> PathBuf {
        self.root.join("queues.db")
    }

    /// Returns the folder of the binaries that run. They are separate because cargo may replace its own at any time.
    pub(crate) fn binaries(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// Removes the state of earlier runs and describes how much that was. Returns `None` if there was nothing.
    pub(crate) fn clear(&self) -> Result<Option<String>, Failure> {
        /// The names of our own files. Other files in a folder that `--state-dir` names are kept.
        const OURS: [&str; 7] =
            ["gateway", "logs", "data", "bin", "queues.db", "queues.db-wal", "queues.db-shm"];
        let mut removed = Vec::new();
        for name in OURS {
            let path = self.root.join(name);
            let result =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            match result {
                Ok(()) => removed.push(name),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!("cannot remove {}: {error}", path.display());
                    return Err(Failure::new(Exit::Failed, message));
                }
            }
        }
        removed.retain(|name| !name.starts_with("queues.db-"));
        Ok((!removed.is_empty()).then(|| removed.join(", ")))
    }

    /// Returns the folder for a service's own data. Creates it if it does not exist.
    pub(crate) fn data_of(&self, service: &str) -> Result<PathBuf, Failure> {
        let path = self.root.join("data").join(service);
        match create_folder(&path) {
            Ok(()) => Ok(path),
            Err(error) => {
                let message = format!("cannot create the data directory {}: {error}", path.display());
                Err(Failure::new(Exit::Failed, message))
            }
        }
    }

    /// Returns the ids of the functions that have a log, sorted.
    pub(crate) fn logged_functions(&self) -> io::Result<Vec<String>> {
        let mut ids = Vec::new();
        let entries = match std::fs::read_dir(self.logs()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            ids.extend(name.to_str().and_then(|name| name.strip_suffix(".log")).map(str::to_owned));
        }
        ids.sort();
        Ok(ids)
    }

    /// Returns the path of a function's log.
    pub(crate) fn log_of(&self, id: &str) -> PathBuf {
        self.logs().join(format!("{id}.log"))
    }
}

#[cfg(test)]
mod tests;
