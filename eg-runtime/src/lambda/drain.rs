//! Ends the process when it is asked to (SIGTERM, before Lambda or a stand-in for it takes the environment
//! away): invocations under way are finished and answered, none is begun.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use lambda_runtime::LambdaInvocation;
use tokio::sync::watch;
use tower::{Layer, Service};

/// Counts the invocations whose answer is not yet with Lambda: a layer around the whole of each.
#[derive(Debug, Clone)]
pub(super) struct Drain(watch::Sender<usize>);

impl Drain {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Runs until `serve` ends, or the process is asked to end and nothing is under way.
    pub(super) async fn run<E>(&self, serve: impl Future<Output = Result<(), E>>) -> Result<(), E> {
        let drained = async {
            asked_to_end().await;
            // The sender is here, so that this can only end with nothing under way.
            let _ = self.0.subscribe().wait_for(|under_way| *under_way == 0).await;
        };
        tokio::select! {
            result = serve => result,
            () = drained => Ok(()),
        }
    }
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        // Without a handler the signal ends the process at once, as it would have anyway.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    std::future::pending().await
}

impl<S> Layer<S> for Drain {
    type Service = Drained<S>;

    fn layer(&self, inner: S) -> Drained<S> {
        Drained { inner, under_way: self.0.clone() }
    }
}

/// A service whose calls are counted while they last.
#[derive(Debug, Clone)]
pub(super) struct Drained<S> {
    inner: S,
    under_way: watch::Sender<usize>,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for Drained<S>
where
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let under_way = UnderWay::begin(self.under_way.clone());
        let call = self.inner.call(invocation);
        Box::pin(async move {
            let result = call.await;
            drop(under_way);
            result
        })
    }
}

/// One invocation, counted until this is dropped.
struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    fn begin(count: watch::Sender<usize>) -> Self {
        count.send_modify(|under_way| *under_way += 1);
        Self(count)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|under_way| *under_way -= 1);
    }
}
