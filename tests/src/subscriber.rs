//! A subscriber outside of any service: an HTTP endpoint that accepts events, or refuses them when the test says so.
//! Registering it is left to the tests.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use eg_sdk::CloudEvent;
use tokio::net::TcpListener;

/// The endpoint of a subscriber.
#[derive(Debug)]
pub struct Subscriber {
    url: String,
    inbox: Inbox,
}

#[derive(Debug, Clone, Default)]
struct Inbox(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    refusing: bool,
    refused: usize,
    taken: Vec<CloudEvent>,
}

impl Subscriber {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> Self {
        let inbox = Inbox::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/", post(take)).with_state(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inbox }
    }

    /// Returns the URL, for the provider of a function.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets whether events are answered with 503 from now on.
    pub fn refuse(&self, refusing: bool) {
        self.inbox.lock().refusing = refusing;
    }

    /// Returns the number of refused deliveries.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.inbox.lock().refused
    }

    /// Returns the events that were accepted so far.
    #[must_use]
    pub fn taken(&self) -> Vec<CloudEvent> {
        self.inbox.lock().taken.clone()
    }
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(inbox): State<Inbox>, event: CloudEvent) -> StatusCode {
    let mut inbox = inbox.lock();
    if inbox.refusing {
        inbox.refused += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    inbox.taken.push(event);
    StatusCode::OK
}
