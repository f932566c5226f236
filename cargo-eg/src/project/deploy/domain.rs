//! The domain name of a stage's HTTP API. Its resources are left to `template`.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value as Json;

use super::format::Setting;

/// A domain name: `domain = { name = "api.example.com", certificate = "arn:aws:acm:…" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) name: String,
    /// The ARN of its certificate, or a function of CloudFormation.
    pub(crate) certificate: Json,
}

impl Domain {
    /// Checks that the certificate is in this region, as an HTTP API requires. That of a function of CloudFormation is not known.
    ///
    /// # Errors
    /// Says where the certificate is.
    pub(super) fn check_region(&self, region: &str) -> Result<(), String> {
        match self.certificate.as_str().and_then(region_of) {
            Some(other) if other != region => Err(format!(
                "the certificate is in {other}, and the stage in {region}: an HTTP API needs one from its own region"
            )),
            _ => Ok(()),
        }
    }
}

/// Returns the region of a certificate with this ARN.
fn region_of(arn: &str) -> Option<&str> {
    match arn.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "acm", region, account, rest]
            if region.contains('-')
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && rest.strip_prefix("certificate/").is_some_and(|id| !id.is_empty()) =>
        {
            Some(region)
        }
        _ => None,
    }
}

/// Whether a text is a host name in lower case, with at least one dot, as API Gateway takes it.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Declared {
            name: String,
            certificate: Setting,
        }
        let Declared { name, certificate } = Declared::deserialize(deserializer)?;
        if !is_host(&name) {
            return Err(Error::custom(format!(
                "{name:?} is not a domain name: write it in lower case and without a scheme, as in \"api.example.com\""
            )));
        }
        let certificate = Json::from(certificate);
        if let Some(text) = certificate.as_str().filter(|text| region_of(text).is_none()) {
            return Err(Error::custom(format!(
                "{text:?} is not a certificate: write its ARN, as in \"arn:aws:acm:eu-central-1:123456789012:certificate/ID\""
            )));
        }
        Ok(Self { name, certificate })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Deploy;
    use crate::project::mistake::Wrong;

    const HERE: &str = r#"domain = { name = "api.example.com", certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1" }"#;

    fn read(lines: &str) -> Result<Deploy, Wrong> {
        Deploy::read(&format!("[deploy]\n{lines}"), Path::new("/app/shop/eg.toml"))
    }

    #[test]
    fn a_domain_needs_a_name_and_a_certificate_of_its_region() {
        let check = |lines: &str, message: &str| {
            let Wrong { at, text, .. } = read(lines).expect_err(lines);
            assert!(at.as_deref() == Some("2:10") && text.starts_with(message), "{lines}: {at:?} {text}");
        };
        let names = [
            "https://api.example.com",
            "api",
            "API.example.com",
            "api.example.com/v1",
            "*.example.com",
            "a..b",
        ];
        for name in names {
            let expected = format!(
                "`domain`: {name:?} is not a domain name: write it in lower case and without a scheme, as in"
            );
            check(&HERE.replace("api.example.com", name), &expected);
        }
        for arn in ["certificate/1", "arn:aws:iam::123456789012:server-certificate/1"] {
            let expected = format!("`domain`: {arn:?} is not a certificate: write its ARN, as in");
            check(&HERE.replace("arn:aws:acm:us-east-1:123456789012:certificate/1", arn), &expected);
        }
        check("domain = { name = \"api.example.com\" }", "missing key `certificate`");
        check(
            &format!("{HERE}\nregion = \"eu-central-1\""),
            "`domain`: the certificate is in us-east-1, and the stage in eu-central-1: an HTTP API needs one from its own region",
        );
        assert!(read(&format!("{HERE}\nregion = \"us-east-1\"")).is_ok());
    }

    #[test]
    fn a_gateway_takes_the_place_of_the_api_and_its_domain() {
        let gateway = "gateway = \"https://gateway.example\"";
        let Wrong { text, .. } = read(&format!("{HERE}\n{gateway}")).unwrap_err();
        assert_eq!(text, "functions behind a gateway have no HTTP API: remove `gateway` or `domain`");
        let deploy = read(&format!("{HERE}\n[deploy.stages.prod]\n{gateway}")).unwrap();
        let has_domain = |stage| deploy.stage(stage).unwrap().domain.is_some();
        assert_eq!((has_domain(None), has_domain(Some("prod"))), (true, false));
    }
}
