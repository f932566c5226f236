//! An execution environment: one process with its own Runtime API, and at most one invocation at a time. Leaves its
//! reuse to `pool`.

use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::serve::ListenerExt as _;
use eg_grammar::OwnNames;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant as Deadline;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::extensions::{Desk, Extensions, Grace, Reason, Trouble};
use super::init::InitFailure;
use super::log::{FunctionLog, ProcessLog};
use super::process::Process;
use super::report::init_line;
use super::runtime_api::{Call, Event, NextReply};
use super::status::Refusal;
use super::variables::variables;
use super::{FunctionSpec, extensions_api, runtime_api};
use crate::screening::screened;

/// The number of buffered calls; a well-behaved process has one outstanding.
const CALLS: usize = 8;

/// A process that has requested its first event.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) process: Process,
    pub(super) extensions: Extensions,
    pub(super) log: Arc<ProcessLog>,
    pub(super) calls: mpsc::Receiver<Call>,
    /// The process's pending request for an event.
    waiting: Option<NextReply>,
    frozen: bool,
    /// The duration of the start, until the first report includes it.
    pub(super) init: Option<Duration>,
    /// The server of the Runtime API; stops when the environment is dropped.
    _server: AbortOnDropHandle<io::Result<()>>,
}

/// Why an environment cannot take an invocation. The invocation has not reached the process.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The process has ended.
    Ended(ExitStatus),
    /// It did not request an event in time.
    Late,
    /// One of its extensions failed.
    Extension(Trouble),
    /// The emulator was stopped.
    Stopped,
}

impl NotTaken {
    /// Returns the reason for ending the environment.
    pub(super) fn end_of_environment(&self) -> Reason {
        match self {
            Self::Ended(_) | Self::Late | Self::Extension(_) => Reason::Failure,
            Self::Stopped => Reason::Spindown,
        }
    }
}

impl Environment {
    /// Starts a process of `spec` and waits until the process and its extensions request their first event.
    pub(super) async fn start(
        spec: &FunctionSpec,
        log: Arc<FunctionLog>,
        stop: &CancellationToken,
    ) -> Result<Self, InitFailure> {
        let started = Instant::now();
        let log = Arc::new(ProcessLog::new(log));
        let unserved = |source| InitFailure::Spawn { program: spec.program.clone(), source };
        let mut extensions = Extensions::new(spec.extensions.iter().map(|one| extension_name(one)).collect());
        let (calls, server, address) = serve_runtime_api(spec, extensions.desk()).await.map_err(unserved)?;
        let variables = variables(spec, &address, &log_stream(), std::env::vars_os());
        let deadline = Deadline::now() + spec.init_timeout;
        let spawn = |program: &Path, arguments: &[OsString]| {
            let mut command = Command::new(program);
            command.args(arguments).current_dir(&spec.root).env_clear().envs(&variables);
            Process::start(command, log.clone())
                .map_err(|source| InitFailure::Spawn { program: program.to_owned(), source })
        };
        for program in &spec.extensions {
            extensions.accompany(extension_name(program), spawn(program, &[])?);
        }
        // Extensions start first, so that the function can rely on them from the beginning.
        if let Err(failure) = registered(&mut extensions, &log, deadline, spec.init_timeout, stop).await {
            log.line(&init_line(started.elapsed(), failure.error_type()));
            extensions.kill().await;
            return Err(failure);
        }
        let process = spawn(&spec.program, &spec.arguments)?;
        let mut environment = Self {
            process,
            extensions,
            log,
            calls,
            waiting: None,
            frozen: false,
            init: None,
            _server: server,
        };
        match environment.first_question(deadline, spec.init_timeout, stop).await {
            Ok(next) => {
                environment.extensions.close();
                environment.waiting = Some(next);
                environment.init = Some(started.elapsed());
                Ok(environment)
            }
            Err(failure) => {
                environment.log.line(&init_line(started.elapsed(), failure.error_type()));
                environment.stop(Reason::Failure).await;
                Err(failure)
            }
        }
    }

    async fn first_question(
        &mut self,
        deadline: Deadline,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<NextReply, InitFailure> {
        let deadline = tokio::time::sleep_until(deadline);
        let settled = self.extensions.desk().settled();
        tokio::pin!(deadline, settled);
        let mut question = None;
        loop {
            tokio::select! {
                biased;
                Some(call) = self.calls.recv() => match call {
                    Call::Next(reply) => question = Some(reply),
                    Call::InitError { error, reply } => {
                        self.process.catch_up();
                        // The process may already have ended.
                        let _ = reply.send(Ok(()));
                        return Err(InitFailure::Reported {
                            error_type: error.error_type,
                            message: error.message,
                            payload: error.payload,
                        });
                    }
                    Call::Response { reply, .. } | Call::Error { reply, .. } => refuse_unknown(reply),
                },
                // An internal extension must register before the process requests its first event.
                () = &mut settled, if question.is_some() => {
                    if let Some(question) = question.take() {
                        return Ok(question);
                    }
                }
                status = self.process.exited() => {
                    // Its status is not available; treat it as an end without a reason.
                    let status = status.unwrap_or_default();
                    self.process.catch_up();
                    return Err(InitFailure::Exited { status, last_words: self.log.last_words() });
                }
                trouble = self.extensions.trouble() => {
                    return Err(InitFailure::extension(trouble, self.log.last_words()));
                }
                () = &mut deadline => {
                    self.process.kill().await;
                    return Err(InitFailure::TimedOut { limit, last_words: self.log.last_words() });
                }
                () = stop.cancelled() => return Err(InitFailure::Stopped),
            }
        }
    }

    /// Returns once the process requests an event and its extensions have finished the last one. They have the time
    /// limit of an invocation.
    pub(super) async fn ready(&mut self, limit: Duration, stop: &CancellationToken) -> Result<(), NotTaken> {
        if let Some(status) = self.process.ended() {
            return Err(NotTaken::Ended(status));
        }
        let deadline = Deadline::now() + limit;
        // Ignores a request that the process has abandoned.
        while !self.is_ready() {
            self.step(deadline, stop).await?;
        }
        Ok(())
    }

    /// Returns whether it can take an event now.
    pub(super) fn is_ready(&self) -> bool {
        self.waiting.as_ref().is_some_and(|next| !next.is_closed()) && self.extensions.are_settled()
    }

    async fn step(&mut self, deadline: Deadline, stop: &CancellationToken) -> Result<(), NotTaken> {
        let asks = self.waiting.as_ref().is_some_and(|next| !next.is_closed());
        let settled = self.extensions.desk().settled();
        tokio::select! {
            biased;
            Some(call) = self.calls.recv() => match call {
                Call::Next(reply) => self.waiting = Some(reply),
                Call::InitError { reply, .. } => refuse_late_init(reply),
                Call::Response { reply, .. } | Call::Error { reply, .. } => refuse_unknown(reply),
            },
            () = settled, if asks => {}
            status = self.process.exited() => return Err(NotTaken::Ended(status.unwrap_or_default())),
            trouble = self.extensions.trouble() => return Err(NotTaken::Extension(trouble)),
            () = tokio::time::sleep_until(deadline) => return Err(NotTaken::Late),
            () = stop.cancelled() => return Err(NotTaken::Stopped),
        }
        Ok(())
    }

    /// Sends the event to the process. Returns `false` if the process closed the connection and must request again.
    pub(super) fn hand_over(&mut self, event: Event) -> bool {
        self.thaw();
        self.waiting.take().is_some_and(|next| next.send(Ok(event)).is_ok())
    }

    /// Freezes all its processes until the next invocation.
    pub(super) fn freeze(&mut self) {
        self.frozen = true;
        self.process.freeze();
        self.extensions.processes().for_each(Process::freeze);
    }

    fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.process.thaw();
            self.extensions.processes().for_each(Process::thaw);
        }
    }

    /// Ends the processes and waits for their end. With extensions, they get some time to end by themselves, as on
    /// Lambda.
    pub(super) async fn stop(mut self, reason: Reason) {
        self.thaw();
        if let Some(Grace { runtime, whole }) = self.extensions.grace() {
            let deadline = Deadline::now() + whole;
            let deadline_ms = unix_millis(SystemTime::now() + whole);
            if self.process.ended().is_none() {
                self.process.terminate();
                // It is killed in any case.
                let _ = tokio::time::timeout(runtime, self.process.exited()).await;
                self.process.kill().await;
            }
            let _ = tokio::time::timeout_at(deadline, self.extensions.shut_down(reason, deadline_ms)).await;
        }
        self.process.kill().await;
        self.extensions.kill().await;
    }
}

/// Waits until the external extensions have registered.
async fn registered(
    extensions: &mut Extensions,
    log: &ProcessLog,
    deadline: Deadline,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<(), InitFailure> {
    let complete = extensions.desk().complete();
    tokio::select! {
        biased;
        () = complete => Ok(()),
        trouble = extensions.trouble() => {
            Err(InitFailure::extension(trouble, log.last_words()))
        }
        () = tokio::time::sleep_until(deadline) => {
            Err(InitFailure::TimedOut { limit, last_words: log.last_words() })
        }
        () = stop.cancelled() => Err(InitFailure::Stopped),
    }
}

/// Lambda's rule: an external extension registers under the name of its program's file.
fn extension_name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

pub(super) fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Answers the process that there is no such event.
pub(super) fn refuse_unknown(reply: super::runtime_api::Reply) {
    // The process may have closed the connection.
    let _ = reply.send(Err(Refusal::UnknownRequest));
}

/// Answers the process that it has already started.
pub(super) fn refuse_late_init(reply: super::runtime_api::Reply) {
    let _ = reply.send(Err(Refusal::OutOfTurn("the function has been initialised")));
}

type RuntimeApi = (mpsc::Receiver<Call>, AbortOnDropHandle<io::Result<()>>, String);

/// Each environment has its own listener, so that the address identifies the process.
async fn serve_runtime_api(spec: &FunctionSpec, desk: Desk) -> io::Result<RuntimeApi> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?.to_string();
    let (sender, calls) = mpsc::channel(CALLS);
    let listener = listener.tap_io(|stream| {
        // A failure only costs speed.
        let _ = stream.set_nodelay(true);
    });
    let router = runtime_api::router(sender).merge(extensions_api::router(desk, spec));
    let router = screened(router, OwnNames::new(Ipv4Addr::LOCALHOST.into()));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((calls, AbortOnDropHandle::new(server), address))
}

/// Returns the log stream name in CloudWatch's format: date, version, environment.
fn log_stream() -> String {
    let today = time::OffsetDateTime::now_utc().date();
    format!(
        "{}/{:02}/{:02}/[$LATEST]{}",
        today.year(),
        u8::from(today.month()),
        today.day(),
        uuid::Uuid::new_v4().simple()
    )
}
