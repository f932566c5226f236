//! HTTP/1.1 over one connection, which is driven by who waits for an answer and rests otherwise: a task for it would
//! only be woken in between, and a function that is frozen between two invocations has nobody to run it. Knows no
//! gateway and no retries.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

#[cfg(feature = "tls")]
use super::tls::Stream;
#[cfg(not(feature = "tls"))]
type Stream = TcpStream;

/// Moves the bytes of an open connection while it is polled.
type Driver = Pin<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>;

/// An open connection, used for one exchange after the other.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Gone when the connection is.
    driver: Option<Driver>,
}

/// Why there is no response.
#[derive(Debug)]
pub enum Unanswered {
    /// The connection was closed before, and nothing was sent: another one may serve.
    Unsent(Box<Request<Full<Bytes>>>),
    /// It broke.
    Broken(hyper::Error),
}

impl Connection {
    /// Connects to `address`, a host and a port.
    ///
    /// # Errors
    /// When nobody is there.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        let stream = Stream::Plain(stream);
        Self::over(stream).await
    }

    /// Connects to `address` with TLS, where `host` has to show who it is.
    #[cfg(feature = "tls")]
    pub(super) async fn open_tls(address: &str, host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(super::tls::connect(stream, host).await?).await
    }

    async fn over(stream: Stream) -> io::Result<Self> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Self { sender, driver: Some(Box::pin(driver)) })
    }

    /// Whether it may serve for another exchange. That it does is known only then.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Sends a request, in origin form and with its `Host`, and reads the whole response.
    ///
    /// # Errors
    /// When there is none; the connection then is of no more use.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Unanswered> {
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
            // How it ended, the driver tells whoever waits for an answer.
            if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
                *driver = None;
            }
            exchange.as_mut().poll(context)
        })
        .await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("open", &self.is_open()).finish()
    }
}
