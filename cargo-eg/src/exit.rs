//! Defines the exit codes and reports failures. Which failure has which code is left to the code that fails.

use std::error::Error;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use eg_grammar::printable_lines;
use eg_sdk::manifest::ManifestError;

/// The exit codes. The numbers are part of the interface: scripts compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "some failures happen on AWS only"))]
#[repr(u8)]
pub(crate) enum Exit {
    /// The app did not start or failed, or an operation on this machine failed.
    Failed = 1,
    /// The command line or its data is invalid.
    Usage = 2,
    /// A service does not build.
    Build = 3,
    /// A port is in use.
    PortInUse = 4,
    /// No gateway answers.
    Unreachable = 5,
    /// The function, package or file does not exist.
    NotFound = 6,
    /// A binary's manifest is missing, unreadable or contradicts another.
    Manifest = 7,
    /// The gateway or AWS refused the request.
    Refused = 8,
    /// The invoked function failed.
    Function = 9,
    /// `deploy --plan` found changes.
    Changes = 10,
    /// There are no AWS credentials, or they have expired.
    Credentials = 11,
    /// A deployment or removal would delete data, or the stage is protected.
    WouldLose = 12,
    /// A deployment failed; the stack is as it was, or says what to do.
    NotDeployed = 13,
    /// Somebody else is changing the stack.
    Busy = 14,
    /// `check` found functions with the same id.
    DuplicateId = 20,
    /// `check` found routes that conflict.
    RouteConflict = 21,
    /// `check` found an event that a subscriber cannot read.
    SchemaMismatch = 22,
    /// `check` found a name that AWS does not allow.
    BadName = 23,
    /// `check` found an event without an emitter, with `--deny`.
    NeverEmitted = 24,
    /// `check` found a loop, with `--deny`.
    Loop = 25,
    /// `check` found an event without a subscriber, with `--deny`.
    NeverSubscribed = 26,
    /// `check --start` found a function that cannot start.
    CannotStart = 27,
    /// `check` found a route that streams behind an HTTP API, with `--deny`.
    BufferedStream = 28,
    /// `check` found an authorizer that no route names, with `--deny`.
    UnmatchedAuthorizer = 29,
    /// `check` found a synchronous subscription that nobody can ask on AWS, with `--deny`.
    NoRoute = 30,
    /// `check` found a subscription that only an event gateway serves, with `--deny`.
    GatewayOnly = 31,
    /// Ctrl-C ended the program before the app was ready, or for the second time, or while it waited for a job.
    Interrupted = 130,
}

/// The list of exit codes in `--help`.
pub(crate) const CODES: &str = "\
Exit codes:
    0  done
    1  the app did not start, or something on this machine failed
    2  the command line or its data is invalid
    3  a service does not build
    4  a port is in use
    5  no gateway answers
    6  no such function, package or file
    7  a binary's manifest is missing, unreadable or contradictory
    8  the gateway or AWS refused the request
    9  the invoked function failed
   10  deploy --plan: there are changes
   11  there are no AWS credentials, or they have expired
   12  a deployment or removal would delete data, or the stage is protected
   13  the deployment failed
   14  somebody else is changing the stack
   20  check: two functions have the same id
   21  check: routes conflict
   22  check: an emitted event does not match what a subscriber reads
   23  check: AWS does not allow a name
   24  check: no service emits an event, with --deny never-emitted
   25  check: an event leads back to itself, with --deny loop
   26  check: no service subscribes to an event, with --deny never-subscribed
   27  check: a function cannot start, with --start
   28  check: a route streams, and an HTTP API does not, with --deny buffered-stream
   29  check: no route names an authorizer, with --deny unmatched-authorizer
   30  check: a synchronous subscription has no route on AWS, with --deny no-route
   31  check: only an event gateway emits a subscribed event, with --deny gateway-only
  130  interrupted before the app was ready, by a second Ctrl-C, or while waiting for a job of the gateway";

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
}

/// An error with our message and its cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Because {
    message: String,
    source: Box<dyn Error + Send + Sync>,
}

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into(), hint: None }
    }

    /// Creates an end without a message: what was printed says why.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Creates a failure with our message and its cause.
    pub(crate) fn because(exit: Exit, message: String, source: impl Error + Send + Sync + 'static) -> Self {
        Self::new(exit, Because { message, source: Box::new(source) })
    }

    /// Says what had happened before: `stack `a` is deployed, but …`.
    #[cfg(feature = "aws")]
    pub(crate) fn after(self, what: &str) -> Self {
        Self { error: format!("{what}: {}", self.message()).into(), ..self }
    }

    /// Adds a hint on what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the error with its causes, and the hint in a line below.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", chain(self.error.as_ref()), self.hint.as_deref().unwrap_or_default())
    }

    /// Returns the error with its causes, for a message that continues it.
    #[cfg(feature = "aws")]
    pub(crate) fn message(&self) -> String {
        chain(self.error.as_ref())
    }

    /// Prints the error with its causes. Returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let text = chain(self.error.as_ref());
        if text.is_empty() {
            return ExitCode::from(self.exit as u8);
        }
        // Texts of the gateway and of functions may be part of it.
        anstream::eprintln!("{RED}error{RED:#}: {}", printable_lines(&text));
        if let Some(hint) = &self.hint {
            anstream::eprintln!("{CYAN}hint{CYAN:#}: {}", printable_lines(hint));
        }
        ExitCode::from(self.exit as u8)
    }
}

/// Prints a warning: a problem that does not stop the command.
pub(crate) fn warn(message: &str) {
    anstream::eprintln!("{YELLOW}warning{YELLOW:#}: {}", printable_lines(message));
}

/// Formats an error and its causes in one line. A cause that is already part of the text before it is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let hint = error.hint().map(str::to_owned);
        let exit = match &error {
            ManifestError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Exit::NotFound
            }
            _ => Exit::Manifest,
        };
        Self { exit, error: error.into(), hint }
    }
}

impl From<eg_sdk::Error> for Failure {
    fn from(error: eg_sdk::Error) -> Self {
        let exit = match &error {
            eg_sdk::Error::Unreachable { .. } => Exit::Unreachable,
            eg_sdk::Error::Refused { .. } => Exit::Refused,
            eg_sdk::Error::Url { .. }
            | eg_sdk::Error::Event { .. }
            | eg_sdk::Error::Payload(_)
            | eg_sdk::Error::Setting { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_code() {
        let codes = [
            Exit::Failed,
            Exit::Usage,
            Exit::Build,
            Exit::PortInUse,
            Exit::Unreachable,
            Exit::NotFound,
            Exit::Manifest,
            Exit::Refused,
            Exit::Function,
            Exit::Changes,
            Exit::Credentials,
            Exit::WouldLose,
            Exit::NotDeployed,
            Exit::Busy,
            Exit::DuplicateId,
            Exit::RouteConflict,
            Exit::SchemaMismatch,
            Exit::BadName,
            Exit::NeverEmitted,
            Exit::Loop,
            Exit::NeverSubscribed,
            Exit::CannotStart,
            Exit::BufferedStream,
            Exit::UnmatchedAuthorizer,
            Exit::NoRoute,
            Exit::GatewayOnly,
            Exit::Interrupted,
        ];
        for code in codes {
            let number = format!("{} ", code as u8);
            assert!(CODES.lines().any(|line| line.trim_start().starts_with(&number)), "{code:?}");
        }
    }

    #[test]
    fn causes_follow_unless_they_have_been_told() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Told(&'static str, #[source] Option<Box<Self>>);
        let check = |error: Told, expected: &str| assert_eq!(chain(&error), expected);
        check(
            Told("cannot read f", Some(Box::new(Told("no such file", None)))),
            "cannot read f: no such file",
        );
        check(
            Told("cannot read f: no such file", Some(Box::new(Told("no such file", None)))),
            "cannot read f: no such file",
        );
    }
}
