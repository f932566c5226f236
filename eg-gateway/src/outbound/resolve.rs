//! Resolves the names of functions' hosts and returns only allowed addresses. The client connects to exactly these
//! addresses, so a name cannot change its address between the check and the connection.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::vec;

#[cfg(feature = "aws")]
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::lookups::Lookups;
use crate::decide::targets::{Blocked, PrivateTargets};

/// Resolves names for clients.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    allowed: Arc<PrivateTargets>,
    lookups: Lookups,
}

impl Resolver {
    pub(crate) fn new(allowed: &Arc<PrivateTargets>) -> Self {
        // One set of open questions for the whole process: a thread that waits for the system is lost to all clients.
        static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::system);
        Self { allowed: Arc::clone(allowed), lookups: LOOKUPS.clone() }
    }

    /// Returns a resolver for the addresses that the operator sets.
    pub(crate) fn unrestricted() -> Self {
        Self::new(&Arc::new(PrivateTargets::all()))
    }

    /// Checks that `name` has an allowed address.
    pub(crate) async fn check(&self, name: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.addresses(name).await.map(drop)
    }

    /// Returns the allowed addresses of `name`, at least one.
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let (mut allowed, mut blocked) = (Vec::new(), None);
        for address in self.lookups.find(name).await? {
            match self.allowed.check(address) {
                Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                Err(one) => blocked = Some(one),
            }
        }
        match blocked {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(blocked) => Err(Box::new(blocked)),
            None => Err(Box::new(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))),
        }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.addresses(name.as_str()).await?.into_iter()) })
    }
}

#[cfg(feature = "aws")]
impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let addresses = self.addresses(name).await.map_err(ResolveDnsError::new)?;
            Ok(addresses.into_iter().map(|address| address.ip()).collect())
        })
    }
}

/// Returns the forbidden target if a call failed because of it.
pub(crate) fn blocked(error: &(dyn Error + 'static)) -> Option<Blocked> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(blocked) = error.downcast_ref::<Blocked>() {
            return Some(*blocked);
        }
        cause = error.source();
    }
    None
}
