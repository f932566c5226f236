//! HTTP/1.1 over one connection, driven by the caller that waits for an answer rather than by a task. A task would
//! cost wake-ups, and could not run while Lambda freezes the process between invocations. Knows no gateway and no
//! retries.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
#[cfg(feature = "history")]
use std::task::ready;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Drives an open connection while it is polled.
type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The body of a request. One type for all bodies, so that a program contains the HTTP client once.
pub struct RequestBody(Content);

enum Content {
    /// In memory.
    Whole(Full<Bytes>),
    /// Made while it is sent. It cannot fail: the receiver learns of failures from its trailers.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>),
}

impl RequestBody {
    /// Creates a body that is made while it is sent.
    pub fn stream(body: impl Body<Data = Bytes, Error = Infallible> + Send + 'static) -> Self {
        Self(Content::Stream(Box::pin(body)))
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self(Content::Whole(Full::new(bytes)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Content::Whole(body) => Pin::new(body).poll_frame(context),
            Content::Stream(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Whole(body) => body.is_end_stream(),
            Content::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole(body) => body.size_hint(),
            Content::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size", &self.size_hint()).finish()
    }
}

/// An open connection for one exchange at a time.
pub struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
}

/// Why an exchange returned no response.
#[derive(Debug)]
pub enum Unanswered {
    /// The connection was already closed and nothing was sent. Another connection may work.
    Unsent(Box<Request<RequestBody>>),
    /// The connection failed during the exchange.
    Broken(hyper::Error),
}

impl Connection {
    /// Connects to `address` (host and port).
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        let stream = super::tls::Stream::Plain(stream);
        Self::over(stream).await
    }

    /// Connects to `address` with TLS and verifies the certificate for `host`.
    #[cfg(feature = "tls")]
    pub(super) async fn open_tls(address: &str, host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(super::tls::connect(stream, host).await?).await
    }

    /// Speaks HTTP over a stream.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::pin(driver)) })
    }

    /// Returns whether the connection may be usable. Only the next exchange proves it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Sends a request, which must be in origin form with a `Host`, and reads the whole response.
    ///
    /// # Errors
    /// If there is no response. The connection is unusable afterwards.
    pub async fn exchange(&mut self, request: Request<RequestBody>) -> Result<Response<Bytes>, Unanswered> {
        let Self { sender, driver } = self;
        let exchange = async {
            if sender.ready().await.is_err() {
                return Err(Unanswered::Unsent(Box::new(request)));
            }
            let response =
                sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
                    Some(request) => Unanswered::Unsent(Box::new(request)),
                    None => Unanswered::Broken(error.into_error()),
                })?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(Unanswered::Broken)?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            // The driver passes its error on to the waiting exchange.
            if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
                *driver = None;
            }
            exchange.as_mut().poll(context)
        })
        .await
    }
}

/// The body of a response that is still arriving, and the connection that it arrives over.
#[cfg(feature = "history")]
pub(super) struct Arriving {
    // Keeps the connection open.
    _sender: http1::SendRequest<RequestBody>,
    driver: Option<Driver>,
    body: hyper::body::Incoming,
}

#[cfg(feature = "history")]
impl Connection {
    /// Sends a request, which must be in origin form with a `Host`, and returns the response once its head has
    /// arrived.
    ///
    /// # Errors
    /// If there is no response.
    pub(super) async fn begin(mut self, request: Request<RequestBody>) -> hyper::Result<Response<Arriving>> {
        let response = {
            let mut response = pin!(self.sender.send_request(request));
            let driver = &mut self.driver;
            poll_fn(|context| {
                if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
                    *driver = None;
                }
                response.as_mut().poll(context)
            })
            .await?
        };
        let Self { sender, driver } = self;
        Ok(response.map(|body| Arriving { _sender: sender, driver, body }))
    }
}

#[cfg(feature = "history")]
impl futures_util::Stream for Arriving {
    type Item = hyper::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
            self.driver = None;
        }
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                // Trailers are ignored.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("open", &self.is_open()).finish()
    }
}
