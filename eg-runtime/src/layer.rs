//! tower layers around functions, for `App::layer` and `App::layer_for`.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt as _};

use crate::error::Error;
use crate::extract::ResponseFuture;

/// A function, or the router in front of all HTTP functions, as a tower service, which the layers of
/// [`App::layer`](crate::App::layer) and [`App::layer_for`](crate::App::layer_for) wrap. It takes requests with a body of any type.
#[derive(Debug, Clone)]
pub struct Function(BoxCloneSyncService<Request, Response, Infallible>);

/// The layers of an app, the innermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<Arc<dyn Fn(Function) -> Function + Send + Sync>>);

impl Layers {
    pub(crate) fn push<L>(&mut self, layer: L)
    where
        L: Layer<Function> + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Box<dyn StdError + Send + Sync>> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.0.push(Arc::new(move |function| {
            let layered = layer.layer(function);
            Function(BoxCloneSyncService::new(tower::service_fn(move |request| {
                let layered = layered.clone();
                async move {
                    Ok(match layered.oneshot(request).await {
                        Ok(response) => response.into_response(),
                        // An error of a layer means the same as an error of a function.
                        Err(error) => Error::from(error.into()).into_response(),
                    })
                }
            })))
        }));
    }

    /// Wraps a function, or the router of all functions, in all layers; `None` if there are none.
    pub(crate) fn around<F>(&self, call: F) -> Option<Function>
    where
        F: Fn(Request) -> ResponseFuture + Clone + Send + Sync + 'static,
    {
        if self.0.is_empty() {
            return None;
        }
        let plain = tower::service_fn(move |request| {
            let answer = call(request);
            async move { Ok(answer.await) }
        });
        self.around_function(Function(BoxCloneSyncService::new(plain)))
    }

    /// Wraps a function that has layers of its own; `None` if there are no layers.
    pub(crate) fn around_function(&self, function: Function) -> Option<Function> {
        let (first, others) = self.0.split_first()?;
        Some(others.iter().fold(first(function), |function, layer| layer(function)))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}

impl Function {
    pub(crate) fn answer(self, request: Request) -> ResponseFuture {
        Box::pin(async move {
            match self.0.oneshot(request).await {
                Ok(response) => response,
                Err(infallible) => match infallible {},
            }
        })
    }
}

/// Takes requests with a body of any type, because layers may change it.
impl<B> Service<http::Request<B>> for Function
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = FunctionFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> FunctionFuture {
        FunctionFuture(self.0.call(request.map(Body::new)))
    }
}

/// The response future of a [`Function`].
pub struct FunctionFuture(Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>);

impl Future for FunctionFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for FunctionFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FunctionFuture")
    }
}
