//! `cargo eg logs`: the log of one function, from the state directory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use super::{cannot_write, current_folder, write};
use crate::cli;
use crate::exit::{Exit, Failure};
use crate::signals::Signals;
use crate::state::State;
use crate::workspace::Workspace;

/// How often `--tail` looks for new lines.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn run(arguments: cli::Logs) -> Result<(), Failure> {
    let state = State::locate(&arguments.state, || Ok(Workspace::of(&current_folder()?)?.root))?;
    let known = state.logged_functions().map_err(|error| unreadable(&state.logs(), &error))?;
    let id =
        find(&arguments.function, &known).map_err(|problem| problem.failure(&arguments.function, &state))?;
    let path = state.log_of(id);
    let mut signals = Signals::listen()?;
    let mut log = File::open(&path).map_err(|error| unreadable(&path, &error))?;
    while let Reader::Listening = copy_new(&mut log, &path)? {
        if !arguments.tail {
            break;
        }
        tokio::select! {
            () = signals.next() => break,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    Ok(())
}

/// Whoever reads what we print.
enum Reader {
    Listening,
    /// Has closed the pipe (`| head`).
    Gone,
}

/// Prints what was added since the last time.
fn copy_new(log: &mut File, path: &Path) -> Result<Reader, Failure> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = log.read(&mut buffer).map_err(|error| unreadable(path, &error))?;
        match write(&buffer[..count]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Reader::Gone),
            Err(error) => return Err(cannot_write(&error)),
            Ok(()) if count == 0 => return Ok(Reader::Listening),
            Ok(()) => {}
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
}

/// Why a name means no function, or more than one.
#[derive(Debug, PartialEq, Eq)]
enum Problem<'a> {
    Unknown(&'a [String]),
    Ambiguous(Vec<&'a str>),
}

/// The id that `name` means: the id itself, or the function's name behind the service's.
fn find<'a>(name: &str, known: &'a [String]) -> Result<&'a str, Problem<'a>> {
    if let Some(id) = known.iter().find(|id| *id == name) {
        return Ok(id);
    }
    let is_named = |id: &&str| id.strip_suffix(name).is_some_and(|rest| rest.ends_with('-'));
    let matches: Vec<&str> = known.iter().map(String::as_str).filter(is_named).collect();
    match matches.as_slice() {
        [id] => Ok(id),
        [] => Err(Problem::Unknown(known)),
        _ => Err(Problem::Ambiguous(matches)),
    }
}

impl Problem<'_> {
    fn failure(self, name: &str, state: &State) -> Failure {
        match self {
            Self::Unknown([]) => {
                let message = format!("no function has a log in {}", state.root().display());
                Failure::new(Exit::NotFound, message)
                    .hint("`cargo eg run` starts the app; its functions write logs")
            }
            Self::Unknown(known) => Failure::new(Exit::NotFound, format!("no function `{name}` has a log"))
                .hint(format!("these have: {}", known.join(", "))),
            Self::Ambiguous(ids) => {
                Failure::new(Exit::Usage, format!("several functions are named `{name}`"))
                    .hint(format!("choose one by its id: {}", ids.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_id_and_by_name() {
        let known: Vec<String> =
            ["a-list", "my-shop-list", "my-shop-sell", "users-create_user"].map(str::to_owned).to_vec();
        let check =
            |name: &str, expected: Result<&str, Problem<'_>>| assert_eq!(find(name, &known), expected);
        check("users-create_user", Ok("users-create_user"));
        check("create_user", Ok("users-create_user"));
        check("sell", Ok("my-shop-sell"));
        check("a-list", Ok("a-list"));
        check("list", Err(Problem::Ambiguous(vec!["a-list", "my-shop-list"])));
        check("user", Err(Problem::Unknown(&known)));
        check("", Err(Problem::Unknown(&known)));
    }
}
