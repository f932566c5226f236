//! Prints the logs in the state directory: the log of one function as it is, or those of all functions, merged by time and
//! with the function in front of each line. Writing the logs is left to the emulator.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use eg_local::emulator::{offset_since, times};

use super::{Reader, millis, show};
use crate::cli;
use crate::commands::current_folder;
use crate::commands::functions::{self, Problem};
use crate::console::Functions;
use crate::console::signals::Signals;
use crate::console::text::readable;
use crate::exit::{Exit, Failure};
use crate::state::State;

/// The polling interval of `--tail`.
const LOOK: Duration = Duration::from_millis(200);

/// The most that is read of a log at once, in bytes. The lines of several logs are in order within such a part.
const PART: u64 = 16 * 1024 * 1024;

/// The log of one function, read from its beginning or from a time on.
struct Log {
    function: String,
    path: PathBuf,
    file: File,
    /// The offset up to which lines were read.
    read: u64,
    /// A line whose end has not been read.
    line: Vec<u8>,
}

/// Lines of a log, and the time of the first one in milliseconds since 1970.
type Piece = (i64, Vec<u8>);

pub(super) async fn run(arguments: cli::Logs) -> Result<(), Failure> {
    let current = current_folder()?;
    let state = match arguments.state.state_dir.as_deref() {
        Some(folder) => State::locate(Some(folder), || Ok(current.clone()))?,
        None => State::around(&current).ok_or_else(|| {
            let message = format!("no app has run in {} or a folder above it", current.display());
            Failure::new(Exit::NotFound, message).hint(
                "`cargo eg run` starts one; --state-dir names the state directory of one that runs elsewhere",
            )
        })?,
    };
    let since = arguments.since.map(millis);
    let known = known(&state)?;
    if known.is_empty() {
        let message = format!("no function has a log in {}", state.root().display());
        return Err(Failure::new(Exit::NotFound, message)
            .hint("`cargo eg run` starts the app; its functions write logs"));
    }
    let one = match &arguments.function {
        Some(name) => Some(
            functions::find(name, &known)
                .map_err(|problem: Problem<'_>| problem.failure(name, "has a log"))?,
        ),
        None => None,
    };
    let mut signals = Signals::listen()?;
    let (mut logs, mut is_empty) = (BTreeMap::new(), true);
    loop {
        let ids = match one {
            Some(id) => vec![id.to_owned()],
            // A function that is new writes its first lines later.
            None => self::known(&state)?,
        };
        let names = one.is_none().then(|| Functions::new(ids.clone()));
        for id in ids {
            let path = state.log_of(&id);
            if let Entry::Vacant(new) = logs.entry(id) {
                let log = Log::open(new.key(), path, since)?;
                new.insert(log);
            }
        }
        let (text, is_all) = print_new(&mut logs, names.as_ref(), arguments.tail)?;
        is_empty &= text.is_empty();
        if let Reader::Gone = show(text.as_bytes())? {
            return Ok(());
        }
        if !is_all {
            continue;
        }
        if !arguments.tail {
            if is_empty {
                let when = if since.is_some() { "since then" } else { "yet" };
                eprintln!("nothing was printed {when} by {}", one.unwrap_or("any function"));
            }
            return Ok(());
        }
        tokio::select! {
            () = signals.next() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn known(state: &State) -> Result<Vec<String>, Failure> {
    state.logged_functions().map_err(|error| unreadable(&state.logs(), &error))
}

/// Returns the lines that were added to the logs since the last call, in the order of their times, which are known to the
/// second, and whether these are all. With `follows`, an unfinished line is left for the next call.
fn print_new(
    logs: &mut BTreeMap<String, Log>,
    names: Option<&Functions>,
    follows: bool,
) -> Result<(String, bool), Failure> {
    let (mut pieces, mut is_all) = (Vec::new(), true);
    for log in logs.values_mut() {
        let (new, is_whole) = log.new_lines(follows)?;
        is_all &= is_whole;
        pieces.extend(new.into_iter().map(|(time, lines)| (time, log.function.clone(), lines)));
    }
    // Stable, so the pieces of one log stay in order.
    pieces.sort_by_key(|(time, ..)| *time);
    let mut text = String::new();
    for (_, function, lines) in pieces {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            match names {
                Some(names) => text += &names.line(&function, line),
                None => text += &readable(line),
            }
            text.push('\n');
        }
    }
    Ok((text, is_all))
}

impl Log {
    fn open(function: &str, path: PathBuf, since: Option<i64>) -> Result<Self, Failure> {
        let open = || {
            let mut file = File::open(&path)?;
            let read = since.map_or(Ok(0), |since| offset_since(&path, since))?;
            file.seek(SeekFrom::Start(read))?;
            Ok((file, read))
        };
        let (file, read) = open().map_err(|error: io::Error| unreadable(&path, &error))?;
        Ok(Self { function: function.to_owned(), path, file, read, line: Vec::new() })
    }

    /// Returns the new lines in pieces, and whether these are all.
    fn new_lines(&mut self, follows: bool) -> Result<(Vec<Piece>, bool), Failure> {
        let begin = self.read - self.line.len() as u64;
        let mut bytes = std::mem::take(&mut self.line);
        let read = self.file.by_ref().take(PART).read_to_end(&mut bytes);
        let count = read.map_err(|error| unreadable(&self.path, &error))? as u64;
        self.read += count;
        let is_all = count < PART;
        if follows || !is_all {
            let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            self.line = bytes.split_off(whole);
        }
        if bytes.is_empty() {
            return Ok((Vec::new(), is_all));
        }
        let times = times(&self.path).map_err(|error| unreadable(&self.path, &error))?;
        Ok((pieces(&bytes, begin, &times), is_all))
    }
}

/// Splits the part of a log that begins at the offset `begin` at the offsets that have times.
fn pieces(bytes: &[u8], begin: u64, times: &[(i64, u64)]) -> Vec<Piece> {
    // Lines from before the first time are the oldest.
    let mut time = times.iter().rev().find(|(_, at)| *at <= begin).map_or(i64::MIN, |(time, _)| *time);
    let (mut pieces, mut rest, mut offset) = (Vec::new(), bytes, begin);
    for (next, at) in times.iter().filter(|(_, at)| *at > begin) {
        let Some(length) = usize::try_from(at - offset).ok().filter(|length| *length <= rest.len()) else {
            break;
        };
        let (piece, later) = rest.split_at(length);
        if !piece.is_empty() {
            pieces.push((time, piece.to_vec()));
        }
        (time, rest, offset) = (*next, later, *at);
    }
    if !rest.is_empty() {
        pieces.push((time, rest.to_vec()));
    }
    pieces
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_split_where_it_has_times() {
        let times = [(100, 0), (200, 4), (300, 10)];
        let check = |bytes: &str, begin: u64, expected: &[(i64, &str)]| {
            let found = pieces(bytes.as_bytes(), begin, &times);
            let expected: Vec<_> =
                expected.iter().map(|(at, text)| (*at, text.as_bytes().to_vec())).collect();
            assert_eq!(found, expected, "{bytes:?} from {begin}");
        };
        check("one\ntwo\n3\nfour\n", 0, &[(100, "one\n"), (200, "two\n3\n"), (300, "four\n")]);
        check("3\nfour\n", 8, &[(200, "3\n"), (300, "four\n")]);
        check("four\n", 10, &[(300, "four\n")]);
        check("one\n", 0, &[(100, "one\n")]);
        assert_eq!(pieces(b"old\n", 0, &[]), [(i64::MIN, b"old\n".to_vec())]);
    }

    #[test]
    fn the_logs_of_all_functions_are_merged_by_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = BTreeMap::new();
        for (id, text, times) in [
            ("mail-send", "a1\na2\na3", "1000 0\n3000 3\n"),
            ("users-add", "b1\n\x1b[31mb2\x1b[0m\rx\n", "2000 0\n4000 3\n"),
        ] {
            let path = folder.path().join(format!("{id}.log"));
            std::fs::write(&path, text).unwrap();
            std::fs::write(path.with_extension("times"), times).unwrap();
            logs.insert(id.to_owned(), Log::open(id, path, None).unwrap());
        }
        let names = Functions::new(logs.keys().cloned().collect());
        let (text, is_all) = print_new(&mut logs, Some(&names), true).unwrap();
        assert!(is_all);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "mail-send | a1\nusers-add | b1\nmail-send | a2\nusers-add | b2\\rx\n"
        );
        assert_eq!(print_new(&mut logs, Some(&names), true).unwrap().0, "", "the last line has not ended");
        assert_eq!(print_new(&mut logs, None, false).unwrap().0, "a3\n");
    }
}
