//! The secrets of functions: AWS's keys, and the password in a URL.

use std::ops::Range;

use eg_sdk::config::{Aws, Function, Provider, Secret};
use url::Url;

use super::MASK;
use crate::decide::refusal::{Kind, Refusal};

/// Returns the function with the mask in place of each secret.
pub(crate) fn masked(function: &Function) -> Function {
    let mut function = function.clone();
    for secret in aws_mut(&mut function.provider).into_iter().flat_map(secrets_mut).flatten() {
        *secret = Secret::from(MASK);
    }
    if let Provider::Http { url } | Provider::Webhook { url, .. } = &mut function.provider {
        *url = masked_url(url);
    }
    if let Provider::Webhook { secrets, .. } = &mut function.provider {
        secrets.fill(Secret::from(MASK));
    }
    function
}

/// Returns whether a secret stands for a stored one.
pub(crate) fn is_masked(secret: &Secret) -> bool {
    secret.expose() == MASK
}

/// Replaces masks in `function` by the stored secrets, so that a client can write back a function that it read.
pub(crate) fn unmask(function: &mut Function, stored: Option<&Function>) -> Result<(), Refusal> {
    match &mut function.provider {
        Provider::Http { url } => return unmask_url(url, stored),
        Provider::Webhook { url, secrets } => {
            unmask_url(url, stored)?;
            return unmask_signing(url, secrets, stored);
        }
        _ => {}
    }
    let mut stored = stored.cloned();
    let mut kept = stored.as_mut().and_then(|stored| aws_mut(&mut stored.provider)).map(secrets_mut);
    for (at, secret) in aws_mut(&mut function.provider).into_iter().flat_map(secrets_mut).enumerate() {
        let Some(secret) = secret.as_mut().filter(|secret| secret.expose() == MASK) else { continue };
        let known = kept.as_mut().and_then(|kept| kept[at].take());
        *secret = known.ok_or_else(|| unknown("none is stored"))?;
    }
    Ok(())
}

fn unmask_url(url: &mut String, stored: Option<&Function>) -> Result<(), Refusal> {
    let Some(password) = password(url).filter(|password| &url[password.clone()] == MASK) else {
        return Ok(());
    };
    let Some(Provider::Http { url: known } | Provider::Webhook { url: known, .. }) =
        stored.map(|stored| &stored.provider)
    else {
        return Err(unknown("none is stored"));
    };
    // The stored password must not be sent to another host.
    let secret = self::password(known).filter(|_| place(url) == place(known));
    let secret = secret.ok_or_else(|| unknown("none is stored for this user and host"))?;
    url.replace_range(password, &known[secret]);
    Ok(())
}

/// Replaces masks in the secrets of a webhook by the stored ones at the same places. They must not sign for another host.
fn unmask_signing(url: &str, secrets: &mut [Secret], stored: Option<&Function>) -> Result<(), Refusal> {
    let known = match stored.map(|stored| &stored.provider) {
        Some(Provider::Webhook { url: known, secrets }) if place(url) == place(known) => secrets.as_slice(),
        _ => &[],
    };
    for (at, secret) in secrets.iter_mut().enumerate().filter(|(_, secret)| is_masked(secret)) {
        *secret =
            known.get(at).cloned().ok_or_else(|| unknown("none is stored at this place for this host"))?;
    }
    Ok(())
}

/// Returns the host and the user of a URL.
fn place(url: &str) -> Option<(url::Origin, String)> {
    Url::parse(url).ok().map(|url| (url.origin(), url.username().to_owned()))
}

fn masked_url(url: &str) -> String {
    let Some(password) = password(url) else { return url.to_owned() };
    [&url[..password.start], MASK, &url[password.end..]].concat()
}

/// Returns where the password in a URL is. `rules` accepts only URLs that are written as they are read.
fn password(url: &str) -> Option<Range<usize>> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#', '\\']).map_or(url.len(), |end| start + end);
    let at = start + url[start..end].rfind('@')?;
    let colon = start + url[start..at].find(':')?;
    Some(colon + 1..at).filter(|password| !password.is_empty())
}

/// Returns whether a URL has no password, or one that [`password`] finds.
pub(crate) fn is_plain(url: &str, read: &Url) -> bool {
    let authority_follows = || url.get(read.scheme().len()..).is_some_and(|rest| rest.starts_with("://"));
    read.password().is_none() || authority_follows() && password(url).is_some()
}

fn unknown(why: &str) -> Refusal {
    let detail = format!("{MASK} stands for a stored secret, and {why}: give the secret itself");
    Refusal::Invalid { kind: Kind::Function, detail }
}

fn aws_mut(provider: &mut Provider) -> Option<&mut Aws> {
    match provider {
        Provider::AwsLambda { aws, .. }
        | Provider::AwsKinesis { aws, .. }
        | Provider::AwsFirehose { aws, .. }
        | Provider::AwsSqs { aws, .. } => Some(aws),
        _ => None,
    }
}

fn secrets_mut(aws: &mut Aws) -> [&mut Option<Secret>; 3] {
    [&mut aws.aws_access_key_id, &mut aws.aws_secret_access_key, &mut aws.aws_session_token]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Function {
        Function::new("f", Provider::Http { url: url.to_owned() })
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        for (url, expected) in [
            ("https://user:secret@a.example/x?y=z@b:c", "https://user:*****@a.example/x?y=z@b:c"),
            ("https://user:se:cr@et@a.example", "https://user:*****@a.example"),
            ("https://:secret@a.example", "https://:*****@a.example"),
            ("https://user@a.example", "https://user@a.example"),
            ("https://user:@a.example", "https://user:@a.example"),
            ("https://a.example:8080/user:secret@b", "https://a.example:8080/user:secret@b"),
        ] {
            assert_eq!(masked(&at(url)), at(expected), "{url}");
        }
    }

    #[test]
    fn secrets_of_webhooks_are_masked_and_stay_with_their_host() {
        let webhook = |url: &str, secrets: &[&str]| {
            let secrets = secrets.iter().map(|secret| Secret::from(*secret)).collect();
            Function::new("f", Provider::Webhook { url: url.to_owned(), secrets })
        };
        let stored = webhook("https://u:p@a.example/x", &["one", "two"]);
        assert_eq!(masked(&stored), webhook("https://u:*****@a.example/x", &["*****", "*****"]));
        for (url, secrets, expected) in [
            ("https://u:*****@a.example/y", &["*****", "new"][..], Some(&["one", "new"][..])),
            ("https://u:*****@a.example/x", &["three", "*****"], Some(&["three", "two"])),
            ("https://u:p@a.example/x", &["*****", "*****", "*****"], None),
            ("https://u:p@b.example/x", &["*****"], None),
            ("https://u:p@b.example/x", &["new"], Some(&["new"])),
        ] {
            let mut function = webhook(url, secrets);
            let found = unmask(&mut function, Some(&stored)).map(|()| function);
            let url = url.replace(MASK, "p");
            assert_eq!(found.ok(), expected.map(|secrets| webhook(&url, secrets)), "{url}");
        }
        assert!(unmask(&mut webhook("https://a.example", &["*****"]), None).is_err());
    }

    #[test]
    fn a_password_that_cannot_be_masked_is_refused() {
        for (url, expected) in [
            ("https://user:secret@a.example", true),
            ("https://a.example", true),
            (r"https:\\user:secret@a.example/?x=http://b:c@d", false),
            ("https:user:secret@a.example/?x=http://b:c@d", false),
        ] {
            assert_eq!(is_plain(url, &Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_masked_password_stays_with_its_host() {
        let stored = at("https://user:secret@a.example/x");
        for (url, expected) in [
            ("https://user:*****@a.example/y", Some("https://user:secret@a.example/y")),
            ("https://user:new@a.example/x", Some("https://user:new@a.example/x")),
            ("https://user:*****@evil.example/x", None),
            ("http://user:*****@a.example/x", None),
            ("https://user:*****@a.example:8443/x", None),
            ("https://other:*****@a.example/x", None),
        ] {
            let mut function = at(url);
            let found = unmask(&mut function, Some(&stored)).map(|()| function);
            assert_eq!(found.ok(), expected.map(at), "{url}");
        }
        assert!(unmask(&mut at("https://user:*****@a.example"), None).is_err());
    }
}
