//! Runs the command of a tool in a process group that ends with the call, and keeps a bounded part of what it prints. Which command
//! that is, and what its end means, is left to `mod`.

use std::io;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// The maximum length of a result, in bytes. A longer one would fill the context of a model.
const LONGEST: usize = 100_000;

/// How a command ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) is_success: bool,
    /// What it printed on standard output.
    pub(super) data: Printed,
    /// What it printed on standard error.
    pub(super) messages: Printed,
}

/// Which part of a long text is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    First,
    Last,
}

/// The part of a text that is kept.
#[derive(Debug)]
pub(super) struct Printed {
    part: Part,
    bytes: Vec<u8>,
    /// The number of bytes that are not kept.
    left_out: usize,
}

/// The processes of a running command: itself, cargo, the compiler, build scripts. Dropping it kills them.
struct Group(Option<Pid>);

/// Runs a command to its end, and keeps this part of its standard output. Dropping the future ends the command and everything that
/// it has started.
pub(super) async fn run(mut command: Command, part: Part) -> io::Result<Outcome> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.process_group(0).spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.and_then(Pid::from_raw));
    let (data, messages) = (child.stdout.take(), child.stderr.take());
    // The reason of a failure is the last message.
    let (data, messages) = tokio::try_join!(read(data, part), read(messages, Part::Last))?;
    let status = child.wait().await?;
    // The number may be another process's from now on.
    group.0 = None;
    Ok(Outcome { is_success: status.success(), data, messages })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, part: Part) -> io::Result<Printed> {
    let mut printed = Printed { part, bytes: Vec::new(), left_out: 0 };
    let Some(mut pipe) = pipe else { return Ok(printed) };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match pipe.read(&mut buffer).await? {
            0 => return Ok(printed),
            count => printed.add(&buffer[..count]),
        }
    }
}

impl Printed {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn add(&mut self, bytes: &[u8]) {
        let excess = (self.bytes.len() + bytes.len()).saturating_sub(LONGEST);
        match self.part {
            Part::First => {
                self.bytes.extend_from_slice(&bytes[..bytes.len() - excess]);
                self.left_out += excess;
            }
            Part::Last => {
                self.bytes.extend_from_slice(bytes);
                // One move of the rest for many additions.
                if excess > LONGEST {
                    self.shorten(excess);
                }
            }
        }
    }

    /// Forgets the oldest bytes.
    fn shorten(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.left_out += count;
    }

    /// Returns the text. If a part of it is left out, a note says so, with this advice.
    pub(super) fn text(mut self, advice: &str) -> String {
        let excess = self.bytes.len().saturating_sub(LONGEST);
        if excess > 0 {
            self.shorten(excess);
        }
        if self.left_out == 0 {
            return String::from_utf8_lossy(&self.bytes).into_owned();
        }
        match self.part {
            Part::First => {
                // The last character may not be whole.
                let text = String::from_utf8_lossy(&self.bytes);
                let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
                format!("{text}…\n({} further bytes are left out{advice})", self.left_out)
            }
            Part::Last => {
                // The first line may not be whole.
                let begin = self.bytes.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                self.shorten(begin);
                let text = String::from_utf8_lossy(&self.bytes);
                format!("({} bytes of older lines are left out{advice})\n{text}", self.left_out)
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Fails only if the group no longer exists.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_where_it_matters_least() {
        let check = |part, text: &str, expected: &str| {
            for size in [1000, LONGEST, text.len().max(1)] {
                let mut printed = Printed { part, bytes: Vec::new(), left_out: 0 };
                text.as_bytes().chunks(size).for_each(|bytes| printed.add(bytes));
                assert!(printed.bytes.len() <= 2 * LONGEST, "{part:?} {size}: {}", printed.bytes.len());
                assert!(printed.text(": ask for less") == expected, "{part:?} {size}");
            }
        };
        let longest = "a".repeat(LONGEST);
        for part in [Part::First, Part::Last] {
            check(part, "", "");
            check(part, &longest, &longest);
        }
        let note = |count: usize| format!("({count} further bytes are left out: ask for less)");
        check(Part::First, &format!("{longest}b\n"), &format!("{longest}…\n{}", note(2)));
        let umlauts = "ä".repeat(LONGEST);
        let whole = "ä".repeat(LONGEST / 2 - 1);
        check(Part::First, &format!("a{umlauts}"), &format!("a{whole}…\n{}", note(LONGEST + 1)));

        let note = |count: usize| format!("({count} bytes of older lines are left out: ask for less)");
        let lines = "a line\n".repeat(LONGEST);
        let kept = "a line\n".repeat(LONGEST / 7);
        check(Part::Last, &lines, &format!("{}\n{kept}", note(lines.len() - kept.len())));
        check(Part::Last, &format!("b{longest}"), &format!("{}\n{longest}", note(1)));
    }
}
