//! One execution environment: a process, its own Runtime API, and at most one invocation at a time.
//! Whether it is used again is the function's decision.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::FunctionSpec;
use super::init::InitFailure;
use super::log::{FunctionLog, ProcessLog};
use super::process::Process;
use super::report::init_line;
use super::runtime_api::{Call, Event, NextReply, router};
use super::status::Refusal;
use super::variables::variables;

/// Calls that may wait while nobody looks: a well-behaved process has one outstanding.
const CALLS: usize = 8;

/// A process that has asked for its first event.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) process: Process,
    pub(super) log: Arc<ProcessLog>,
    pub(super) calls: mpsc::Receiver<Call>,
    /// The process's open question for an event.
    waiting: Option<NextReply>,
    /// How long the start took, until the first report has said so.
    pub(super) init: Option<Duration>,
    /// Serves the Runtime API; stops when the environment goes.
    _server: AbortOnDropHandle<io::Result<()>>,
}

/// The process is gone, or does not ask for events: the invocation has not reached it.
#[derive(Debug)]
pub(super) struct NotTaken {
    /// How the process ended, if it did.
    pub(super) status: Option<ExitStatus>,
}

impl Environment {
    /// Starts a process of `spec` and waits until it asks for its first event.
    pub(super) async fn start(
        spec: &FunctionSpec,
        log: Arc<FunctionLog>,
        stop: &CancellationToken,
    ) -> Result<Self, InitFailure> {
        let started = Instant::now();
        let log = Arc::new(ProcessLog::new(log));
        let spawned = |source| InitFailure::Spawn { program: spec.program.clone(), source };
        let (calls, server, address) = serve_runtime_api().await.map_err(spawned)?;
        let variables = variables(spec, &address, &log_stream(), std::env::vars_os());
        let process = Process::start(command(spec, variables), log.clone()).map_err(spawned)?;
        let mut environment = Self { process, log, calls, waiting: None, init: None, _server: server };
        match environment.first_question(spec.init_timeout, stop).await {
            Ok(next) => {
                environment.waiting = Some(next);
                environment.init = Some(started.elapsed());
                Ok(environment)
            }
            Err(failure) => {
                environment.log.line(&init_line(started.elapsed(), failure.error_type()));
                environment.stop().await;
                Err(failure)
            }
        }
    }

    async fn first_question(
        &mut self,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<NextReply, InitFailure> {
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                Some(call) = self.calls.recv() => match call {
                    Call::Next(reply) => return Ok(reply),
                    Call::InitError { error, reply } => {
                        self.process.caught_up().await;
                        // The process may have ended already.
                        let _ = reply.send(Ok(()));
                        return Err(InitFailure::Reported {
                            error_type: error.error_type,
                            message: error.message,
                            payload: error.payload,
                        });
                    }
                    Call::Response { reply, .. } | Call::Error { reply, .. } => refuse_unknown(reply),
                },
                status = self.process.exited() => {
                    // Not even its status can be had: as if it had given no reason.
                    let status = status.unwrap_or_default();
                    self.process.caught_up().await;
                    return Err(InitFailure::Exited { status, last_words: self.log.last_words() });
                }
                () = &mut deadline => {
                    self.process.kill().await;
                    return Err(InitFailure::TimedOut { limit, last_words: self.log.last_words() });
                }
                () = stop.cancelled() => return Err(InitFailure::Stopped),
            }
        }
    }

    /// Returns when the process asks for an event. It has as long as for an invocation.
    pub(super) async fn ready(&mut self, limit: Duration, stop: &CancellationToken) -> Result<(), NotTaken> {
        if let Some(status) = self.process.ended() {
            return Err(NotTaken { status: Some(status) });
        }
        // A question that was given up (the process hung up) counts for nothing.
        while self.waiting.as_ref().is_none_or(NextReply::is_closed) {
            self.waiting = Some(self.question(limit, stop).await?);
        }
        Ok(())
    }

    /// Answers the process's question. `false`: it hung up, and must ask again.
    pub(super) fn hand_over(&mut self, event: Event) -> bool {
        self.waiting.take().is_some_and(|next| next.send(Ok(event)).is_ok())
    }

    async fn question(&mut self, limit: Duration, stop: &CancellationToken) -> Result<NextReply, NotTaken> {
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                Some(call) = self.calls.recv() => match call {
                    Call::Next(reply) => return Ok(reply),
                    Call::InitError { reply, .. } => refuse_late_init(reply),
                    Call::Response { reply, .. } | Call::Error { reply, .. } => refuse_unknown(reply),
                },
                status = self.process.exited() => return Err(NotTaken { status: status.ok() }),
                () = &mut deadline => return Err(NotTaken { status: None }),
                () = stop.cancelled() => return Err(NotTaken { status: None }),
            }
        }
    }

    /// Kills the process and waits for its end.
    pub(super) async fn stop(mut self) {
        self.process.kill().await;
    }
}

/// Tells the process that it has no such event.
pub(super) fn refuse_unknown(reply: super::runtime_api::Reply) {
    // The process may have hung up.
    let _ = reply.send(Err(Refusal::UnknownRequest));
}

/// Tells the process that it has started long ago.
pub(super) fn refuse_late_init(reply: super::runtime_api::Reply) {
    let _ = reply.send(Err(Refusal::OutOfTurn("the function has been initialised")));
}

type RuntimeApi = (mpsc::Receiver<Call>, AbortOnDropHandle<io::Result<()>>, String);

/// Each environment has a listener of its own, so that the address alone says who calls.
async fn serve_runtime_api() -> io::Result<RuntimeApi> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?.to_string();
    let (sender, calls) = mpsc::channel(CALLS);
    let listener = listener.tap_io(|stream| {
        // Only speed is lost without it.
        let _ = stream.set_nodelay(true);
    });
    let server = tokio::spawn(async move { axum::serve(listener, router(sender)).await });
    Ok((calls, AbortOnDropHandle::new(server), address))
}

fn command(spec: &FunctionSpec, variables: BTreeMap<OsString, OsString>) -> Command {
    let mut command = Command::new(&spec.program);
    command.args(&spec.arguments).current_dir(&spec.root).env_clear().envs(variables);
    command
}

/// In the spelling of CloudWatch: date, version, environment.
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
