//! Manages the extensions of one environment: their registration, state and events. Leaves HTTP to `extensions_api`.
//!
//! An *external* extension is a program that the emulator starts beside the function's process. An
//! *internal* one registers from within the function's process.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::process::Process;
use super::status::ExtensionRefusal;

/// Lambda's maximum number of extensions.
const MOST: usize = 10;

/// How long Lambda's shutdown phase takes with internal extensions only.
const INTERNAL_GRACE: Duration = Duration::from_millis(500);

/// How long it takes with external extensions, and the share of the function's process.
const EXTERNAL_GRACE: Duration = Duration::from_secs(2);
const RUNTIME_SHARE: Duration = Duration::from_millis(300);

/// The event types that an extension can register for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    Invoke,
    Shutdown,
}

/// An event for extensions.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "eventType", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub(super) enum ExtensionEvent {
    Invoke { deadline_ms: u64, request_id: String, invoked_function_arn: String, tracing: Tracing },
    Shutdown { shutdown_reason: Reason, deadline_ms: u64 },
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Tracing {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) value: String,
}

/// Why an environment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Reason {
    /// The environment is no longer needed.
    Spindown,
    /// An invocation took too long.
    Timeout,
    /// A process ended or failed.
    Failure,
}

/// The failure of an extension, with Lambda's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Crash,
    InitError,
    ExitError,
}

/// How long the processes have to end by themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grace {
    pub(super) runtime: Duration,
    pub(super) whole: Duration,
}

/// The extensions, for the environment.
#[derive(Debug)]
pub(super) struct Extensions {
    desk: Desk,
    companions: Vec<Companion>,
}

/// The process of an external extension.
#[derive(Debug)]
struct Companion {
    name: String,
    process: Process,
}

/// The state that extensions report to; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Desk(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    /// Names of the programs that have been started as extensions.
    external: Vec<String>,
    registered: Vec<Extension>,
    /// After the start, extensions can no longer register.
    closed: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Extension {
    id: String,
    name: String,
    external: bool,
    interests: Vec<Interest>,
    /// Its pending request for the next event. `None` while it works.
    waiting: Option<oneshot::Sender<ExtensionEvent>>,
    /// Its next event, if the environment ends while it works.
    pending: Option<ExtensionEvent>,
}

impl State {
    /// Returns whether every extension has finished its last event, including its start.
    fn is_settled(&self) -> bool {
        self.is_complete() && self.registered.iter().all(|one| one.waiting.is_some())
    }

    /// Returns whether every program that was started as an extension has registered.
    fn is_complete(&self) -> bool {
        self.external.iter().all(|name| self.registered.iter().any(|one| one.name == *name))
    }

    fn find(&mut self, id: &str) -> Result<&mut Extension, ExtensionRefusal> {
        let found = self.registered.iter_mut().find(|one| one.id == id);
        found.ok_or_else(|| ExtensionRefusal::UnknownIdentifier(id.to_owned()))
    }

    fn is_told(&self, name: &str, interest: Interest) -> bool {
        self.registered.iter().any(|one| one.name == name && one.interests.contains(&interest))
    }

    fn tell(&mut self, interest: Interest, event: &ExtensionEvent) {
        for extension in self.registered.iter_mut().filter(|one| one.interests.contains(&interest)) {
            let told = extension.waiting.take().map(|waiting| waiting.send(event.clone()));
            if !matches!(told, Some(Ok(()))) {
                extension.pending = Some(event.clone());
            }
        }
    }
}

impl Desk {
    pub(super) fn register(&self, name: &str, interests: Vec<Interest>) -> Result<String, ExtensionRefusal> {
        self.with(|state| {
            if state.closed {
                return Err(ExtensionRefusal::RegistrationClosed);
            }
            if state.registered.iter().any(|one| one.name == name) {
                return Err(ExtensionRefusal::AlreadyRegistered);
            }
            if state.registered.len() == MOST {
                return Err(ExtensionRefusal::TooMany { most: MOST });
            }
            let external = state.external.iter().any(|one| one == name);
            if !external && interests.contains(&Interest::Shutdown) {
                return Err(ExtensionRefusal::ShutdownIsForExternal);
            }
            let id = Uuid::new_v4().to_string();
            let name = name.to_owned();
            state.registered.push(Extension {
                id: id.clone(),
                name,
                external,
                interests,
                waiting: None,
                pending: None,
            });
            Ok(id)
        })
    }

    /// Records that the extension has finished the last event. Returns a receiver of its next one.
    pub(super) fn next(&self, id: &str) -> Result<oneshot::Receiver<ExtensionEvent>, ExtensionRefusal> {
        self.with(|state| {
            let (waiting, event) = oneshot::channel();
            let extension = state.find(id)?;
            match extension.pending.take() {
                // The other end is alive, because this type owns it.
                Some(pending) => drop(waiting.send(pending)),
                None => extension.waiting = Some(waiting),
            }
            Ok(event)
        })
    }

    pub(super) fn report(&self, id: &str, trouble: Trouble) -> Result<(), ExtensionRefusal> {
        self.with(|state| {
            state.find(id)?;
            state.trouble = Some(trouble);
            Ok(())
        })
    }

    /// Returns once every external extension has registered.
    pub(super) async fn complete(self) {
        // This cannot fail, because this type owns the sender. The same holds below.
        let _ = self.0.subscribe().wait_for(State::is_complete).await;
    }

    /// Returns once every extension waits for its next event.
    pub(super) async fn settled(self) {
        let _ = self.0.subscribe().wait_for(State::is_settled).await;
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut result = None;
        self.0.send_modify(|state| result = Some(change(state)));
        result.expect("send_modify calls its closure")
    }
}

impl Extensions {
    /// Expects programs with these names to register.
    pub(super) fn new(external: Vec<String>) -> Self {
        let state = State { external, ..State::default() };
        Self { desk: Desk(Arc::new(watch::Sender::new(state))), companions: Vec::new() }
    }

    pub(super) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Adds the process of an external extension.
    pub(super) fn accompany(&mut self, name: String, process: Process) {
        self.companions.push(Companion { name, process });
    }

    pub(super) fn are_there(&self) -> bool {
        !self.companions.is_empty() || !self.desk.0.borrow().registered.is_empty()
    }

    /// Returns whether every extension waits for its next event.
    pub(super) fn are_settled(&self) -> bool {
        self.desk.0.borrow().is_settled()
    }

    /// Closes the registration.
    pub(super) fn close(&self) {
        self.desk.with(|state| state.closed = true);
    }

    /// Returns once an extension ends or reports a failure. Can be dropped and called again.
    pub(super) async fn trouble(&mut self) -> Trouble {
        let companions = &mut self.companions;
        let crash = std::future::poll_fn(|context| {
            let mut ended = companions.iter_mut().map(|one| pin!(one.process.exited()).poll(context));
            if ended.any(|one| one.is_ready()) { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut states = self.desk.0.subscribe();
        tokio::select! {
            biased;
            state = states.wait_for(|state| state.trouble.is_some()) => {
                state.ok().and_then(|state| state.trouble).unwrap_or(Trouble::ExitError)
            }
            () = crash => Trouble::Crash,
        }
    }

    /// Sends an invocation to the extensions that registered for it.
    pub(super) fn invoke(&self, event: impl FnOnce() -> ExtensionEvent) {
        if self.are_there() {
            let event = event();
            self.desk.with(|state| state.tell(Interest::Invoke, &event));
        }
    }

    /// Returns how long processes have to end by themselves. Without extensions, Lambda kills them.
    pub(super) fn grace(&self) -> Option<Grace> {
        let state = self.desk.0.borrow();
        match state.registered.as_slice() {
            [] => None,
            some if some.iter().any(|one| one.external) => {
                Some(Grace { runtime: RUNTIME_SHARE, whole: EXTERNAL_GRACE })
            }
            _ => Some(Grace { runtime: INTERNAL_GRACE, whole: INTERNAL_GRACE }),
        }
    }

    /// Sends the shutdown to the extensions that registered for it, ends the others, and returns once all have ended.
    pub(super) async fn shut_down(&mut self, reason: Reason, deadline_ms: u64) {
        let event = ExtensionEvent::Shutdown { shutdown_reason: reason, deadline_ms };
        self.desk.with(|state| state.tell(Interest::Shutdown, &event));
        for Companion { name, process } in &mut self.companions {
            if self.desk.with(|state| state.is_told(name, Interest::Shutdown)) {
                // The result does not matter, because it is killed afterwards.
                let _ = process.exited().await;
            } else {
                process.kill().await;
            }
        }
    }

    pub(super) async fn kill(&mut self) {
        for companion in &mut self.companions {
            companion.process.kill().await;
        }
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.companions.iter().map(|companion| &companion.process)
    }
}

impl Trouble {
    /// Returns Lambda's name for it.
    pub(super) fn error_type(self) -> &'static str {
        match self {
            Self::Crash => "Extension.Crash",
            Self::InitError => "Extension.InitError",
            Self::ExitError => "Extension.ExitError",
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Crash => "the process of an extension has ended",
            Self::InitError => "an extension has reported that it cannot start",
            Self::ExitError => "an extension has reported that it ends",
        }
    }
}
