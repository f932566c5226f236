//! Flags for calls of functions: what the gateway trusts, and whether it uses a proxy. The library makes the calls.

use std::path::PathBuf;

use eg_gateway::Options;

#[derive(Debug, clap::Args)]
pub(super) struct Calls {
    /// PEM file with root certificates to trust when calling functions, besides those of this machine
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Call https functions through the proxy in $HTTPS_PROXY, except for the hosts in $NO_PROXY
    #[arg(long)]
    use_proxy: bool,
}

impl Calls {
    /// Sets the options. `variable` reads the environment.
    pub(super) fn apply(
        &self,
        options: &mut Options,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        options.ca_file = self.ca_file.clone();
        if !self.use_proxy {
            return Ok(());
        }
        let either = |upper: &str| variable(upper).or_else(|| variable(&upper.to_lowercase()));
        let proxy = either("HTTPS_PROXY")
            .filter(|proxy| !proxy.is_empty())
            .ok_or("--use-proxy needs a proxy: set HTTPS_PROXY, for example to http://proxy.example:3128")?;
        match proxy.split_once("://") {
            // The URL may contain a password.
            Some((scheme, _)) if !scheme.eq_ignore_ascii_case("http") => {
                return Err(format!("HTTPS_PROXY begins with {scheme}://, and only http:// is supported"));
            }
            _ => options.https_proxy = Some(proxy),
        }
        options.no_proxy = either("NO_PROXY");
        Ok(())
    }
}
