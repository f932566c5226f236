//! Reads the URL of a database, and connects to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;
use url::{Position, Url};

use super::StoreError;
use super::faults::Failure;
use crate::timestamp::millis;
use crate::tls::{self, ClientTls};

/// How long connecting may take, and how long the network may swallow what is sent.
const PATIENCE: Duration = Duration::from_secs(3);

/// How to connect to a database, and how long a gateway may be silent before another one takes over.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) lease: Duration,
}

impl fmt::Debug for Settings {
    // Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("config", &self.config)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads a URL like `postgres://user:password@host:5432/database?sslmode=verify-full`. Other parameters are those of
    /// PostgreSQL's own clients, as far as they make sense here.
    ///
    /// # Errors
    /// Says what is wrong with the URL, without its password.
    pub(super) fn read(url: &str, lease: Duration) -> Result<Self, StoreError> {
        let refused = |reason: String| StoreError::Url(reason);
        // Other URLs have one host.
        let (url, hosts) = match list_of_hosts(url) {
            Some(hosts) => (url.replacen(hosts, "hosts", 1), Some(hosts)),
            None => (url.to_owned(), None),
        };
        let mut url = Url::parse(&url).map_err(|error| refused(error.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(refused(format!("its scheme is `{}`, and only `postgres` is known", url.scheme())));
        }
        let (mut mode, mut roots) = (None, None);
        // After a failover, one of the hosts is a replica.
        let mut others = vec![("target_session_attrs".to_owned(), "read-write".to_owned())];
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(value.into_owned()).filter(|file| file != "system"),
                "sslcert" | "sslkey" | "sslcrl" => {
                    return Err(refused(format!("`{name}` is not supported: log in with a password")));
                }
                _ => others.push((name.into_owned(), value.into_owned())),
            }
        }
        // Not `query_pairs_mut`, which writes a space as `+`; the reader of the URL takes that for a plus.
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let pairs: Vec<_> =
            others.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        url.set_query(Some(&pairs.join("&")));
        let text = match hosts {
            Some(hosts) => {
                format!("{}{hosts}{}", &url[..Position::BeforeHost], &url[Position::AfterPort..])
            }
            None => url.into(),
        };
        let mut config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            refused(source.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(refused("it names no host".to_owned()));
        }
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-full") => true,
            None => !is_here(&config),
            Some(other) => {
                return Err(refused(format!(
                    "`sslmode={other}` is not supported: use `verify-full`, which checks the certificate of the server, or \
                     `disable`"
                )));
            }
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(PATIENCE).tcp_user_timeout(PATIENCE).keepalives_idle(PATIENCE);
        config.keepalives_interval(Duration::from_secs(1)).keepalives_retries(2);
        if config.get_application_name().is_none() {
            config.application_name("event-gateway");
        }
        let roots = roots.map(PathBuf::from);
        let tls = match &roots {
            // Reading the roots of the machine takes a while.
            None if encrypted => Ok(ClientTls::default().config()),
            roots => tls::client_of(roots.as_deref()),
        };
        let tls = tls.map_err(|error| refused(format!("`sslrootcert`: {error}")))?;
        Ok(Self { config, tls: MakeRustlsConnect::new(tls), lease })
    }

    pub(super) fn lease_millis(&self) -> i64 {
        millis(self.lease)
    }

    /// Looks the hosts up, so that a gateway with a misspelt one does not wait for it forever. A name may disappear for a while
    /// later on.
    ///
    /// # Errors
    /// Fails if no host has an address.
    pub(super) async fn look_up(&self) -> Result<(), StoreError> {
        let mut unknown = None;
        // Where there are addresses, the names only count for certificates.
        let hosts = self.config.get_hosts().iter().filter(|_| self.config.get_hostaddrs().is_empty());
        for host in hosts {
            let Host::Tcp(name) = host else { return Ok(()) };
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(_) => return Ok(()),
                Err(error) => {
                    unknown = Some(format!("host `{name}` has no address ({error}); correct the name"));
                }
            }
        }
        unknown.map_or(Ok(()), |reason| Err(StoreError::Url(reason)))
    }

    /// Connects. The connection ends when the second result is dropped.
    pub(super) async fn connect(&self) -> Result<(Client, AbortOnDropHandle<()>), Failure> {
        let connect = self.config.connect(self.tls.clone());
        let late = |_| Failure::Disconnected("the database cannot be reached".to_owned());
        let (client, connection) = tokio::time::timeout(2 * PATIENCE, connect).await.map_err(late)??;
        let drive = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database has ended");
            }
        };
        Ok((client, AbortOnDropHandle::new(tokio::spawn(drive))))
    }
}

/// Returns the hosts of a URL that has several, with their ports.
fn list_of_hosts(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let hosts = authority.rsplit('@').next()?;
    hosts.contains(',').then_some(hosts)
}

/// Returns whether all servers are on this machine, so that nobody can listen in.
fn is_here(config: &Config) -> bool {
    // Where there are addresses, the names only count for certificates.
    if !config.get_hostaddrs().is_empty() {
        return config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::TargetSessionAttrs;

    use super::*;

    fn read(url: &str) -> Result<Settings, String> {
        Settings::read(url, Duration::from_secs(8)).map_err(|error| error.to_string())
    }

    #[test]
    fn connections_to_other_machines_are_encrypted() {
        for (url, encrypted) in [
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1:5433/d", false),
            ("postgres://u@%2Ftmp%2Fsocket/d", false),
            ("postgres:///d?host=/tmp/socket&user=u", false),
            ("postgresql://u:p@db.example/d", true),
            ("postgres://u@db.example/d?sslmode=disable", false),
            ("postgres://u@localhost/d?sslmode=verify-full", true),
            ("postgres://u@one.example,localhost/d", true),
            ("postgres://u:a,b@one.example:5432,two.example:5433/d?application_name=x", true),
            ("postgres://u@localhost:5432,%2Ftmp%2Fsocket:5433/d", false),
            ("postgres://u@localhost/d?hostaddr=192.0.2.1", true),
            ("postgres://u@db.example/d?hostaddr=127.0.0.1", false),
        ] {
            let mode = read(url).unwrap().config.get_ssl_mode();
            assert_eq!(mode == SslMode::Require, encrypted, "{url}");
        }
    }

    #[test]
    fn other_parameters_are_kept() {
        let settings =
            read("postgres://u@localhost/d?options=-c%20search_path%3Ds&application_name=a%2Bb").unwrap();
        assert_eq!(settings.config.get_options(), Some("-c search_path=s"));
        assert_eq!(settings.config.get_application_name(), Some("a+b"));
        assert_eq!(settings.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        let settings = read("postgres://u@localhost/d?target_session_attrs=any").unwrap();
        assert_eq!(settings.config.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn each_host_may_have_a_port() {
        let settings =
            read("postgres://u:p%40,q@one.example:5432,two.example:6432/d?connect_timeout=2").unwrap();
        assert_eq!(settings.config.get_ports(), [5432, 6432]);
        let hosts = ["one.example", "two.example"].map(|name| Host::Tcp(name.to_owned()));
        assert_eq!(settings.config.get_hosts(), hosts);
        assert_eq!(settings.config.get_password(), Some("p@,q".as_bytes()));
        assert_eq!(settings.config.get_dbname(), Some("d"));
    }

    #[test]
    fn what_is_wrong_with_a_url() {
        for (url, expected) in [
            ("mysql://u:secret@h/d", "its scheme is `mysql`"),
            ("postgres://u:secret@h/d?sslmode=prefer", "`sslmode=prefer` is not supported"),
            ("postgres://u:secret@h/d?sslcert=c", "`sslcert` is not supported"),
            ("postgres://u:secret@h/d?sslrootcert=/nowhere", "`sslrootcert`: /nowhere"),
            ("postgres://u:secret@h/d?unknown=1", "unknown"),
            ("postgres:///d?user=u", "names no host"),
            ("not a url", "relative URL"),
        ] {
            let error = read(url).err().unwrap_or_default();
            assert!(error.contains(expected) && !error.contains("secret"), "{url}: {error}");
        }
        assert!(!format!("{:?}", read("postgres://u:secret@localhost/d").unwrap()).contains("secret"));
    }
}
