//! Reads the values of secrets from Systems Manager and Secrets Manager. Leaves signatures and repetition to `aws`, and what
//! becomes of the values to the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use eg_grammar::SecretReference;
use futures_util::future::{join, join_all};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Error;
use super::aws::{self, Operation, Signer};
use super::http::Http;
use super::url::parse_url;
use crate::config::Secret;
use crate::settings::SecretsAccess;

/// Reads up to ten parameters. Source: the API reference of Systems Manager.
const GET_PARAMETERS: Operation = Operation {
    service: "ssm",
    method: Method::POST,
    headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameters")],
};
const AT_ONCE: usize = 10;

/// Reads one secret. Source: the API reference of Secrets Manager.
const GET_SECRET_VALUE: Operation = Operation {
    service: "secretsmanager",
    method: Method::POST,
    headers: &[
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "secretsmanager.GetSecretValue"),
    ],
};

/// The time limits of one attempt and of all attempts of a call. Lambda ends an initialization after ten seconds.
const ATTEMPT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(8);

/// A value, or the reason why there is none.
type Outcome = Result<Secret, String>;

/// A client of the services that keep secrets.
#[derive(Debug)]
pub struct Secrets {
    access: SecretsAccess,
    http: Http,
}

/// A secret without a value. Its message names the variable and the reference, and never a value.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret `{variable}` from `{reference}`: {reason}")]
pub struct Unread {
    variable: String,
    reference: SecretReference,
    reason: String,
}

impl Secrets {
    /// Creates a client with the region and the credentials that Lambda sets. `AWS_ENDPOINT_URL_SSM`,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, else `AWS_ENDPOINT_URL`, replace the endpoints. Connects to nothing.
    #[must_use]
    pub fn from_env() -> Self {
        let mut http = Http::new(None);
        http.timeout = ATTEMPT;
        http.retry.total = TOTAL;
        Self { access: SecretsAccess::from_env(), http }
    }

    /// Returns the values of variables. All calls run at the same time: one for each ten parameters and for each secret.
    ///
    /// # Errors
    /// Returns each variable whose value cannot be read, with the reason.
    pub async fn read(
        &self,
        references: &BTreeMap<String, SecretReference>,
    ) -> Result<BTreeMap<String, Secret>, Vec<Unread>> {
        let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for reference in references.values() {
            match reference {
                SecretReference::Parameter(name) => names.insert(name.as_str()),
                SecretReference::Secret { id, .. } => ids.insert(id.as_str()),
            };
        }
        let names: Vec<&str> = names.into_iter().collect();
        let secret = async |id| (id, self.secret(id).await);
        let (parameters, secrets) = join(
            join_all(names.chunks(AT_ONCE).map(|names| self.parameters(names))),
            join_all(ids.into_iter().map(secret)),
        )
        .await;
        let parameters: BTreeMap<&str, Outcome> = parameters.into_iter().flatten().collect();
        let secrets: BTreeMap<&str, Outcome> = secrets.into_iter().collect();
        let (mut values, mut unread) = (BTreeMap::new(), Vec::new());
        for (variable, reference) in references {
            let value = match reference {
                SecretReference::Parameter(name) => parameters[name.as_str()].clone(),
                SecretReference::Secret { id, member } => {
                    let whole = secrets[id.as_str()].clone();
                    whole.and_then(|whole| match member {
                        Some(member) => member_of(&whole, member),
                        None => Ok(whole),
                    })
                }
            };
            match value.and_then(without_nul) {
                Ok(value) => drop(values.insert(variable.clone(), value)),
                Err(reason) => {
                    unread.push(Unread { variable: variable.clone(), reference: reference.clone(), reason });
                }
            }
        }
        if unread.is_empty() { Ok(values) } else { Err(unread) }
    }

    /// Returns the value of each parameter.
    async fn parameters<'a>(&self, names: &[&'a str]) -> Vec<(&'a str, Outcome)> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            parameters: Vec<Parameter>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Parameter {
            name: String,
            /// The version or the label that was asked for, after `:`.
            #[serde(default)]
            selector: String,
            #[serde(default)]
            version: u64,
            value: Secret,
        }
        let body = json!({"Names": names, "WithDecryption": true});
        let endpoint = self.access.parameters.as_deref();
        let answer =
            self.call(&GET_PARAMETERS, endpoint, &self.access.aws.region, &body, "call GetParameters");
        let found = match answer.await.and_then(|answer| read::<Answer>(&answer)) {
            Ok(answer) => answer.parameters,
            Err(reason) => return names.iter().map(|name| (*name, Err(reason.clone()))).collect(),
        };
        let of = |name: &str| {
            let named = |one: &&Parameter| match name.strip_prefix(&one.name) {
                Some("") => one.selector.is_empty(),
                Some(rest) => rest == one.selector || rest == format!(":{}", one.version),
                None => false,
            };
            let value = found.iter().find(named).map(|one| one.value.clone());
            value
                .ok_or_else(|| format!("Systems Manager has no such parameter in {}", self.access.aws.region))
        };
        names.iter().map(|name| (*name, of(name))).collect()
    }

    /// Returns the value of a secret.
    async fn secret(&self, id: &str) -> Outcome {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            secret_string: Option<Secret>,
        }
        let region = aws::region_of(id).unwrap_or(&self.access.aws.region);
        let endpoint = self.access.secrets.as_deref();
        let body = json!({"SecretId": id});
        let answer = self.call(&GET_SECRET_VALUE, endpoint, region, &body, "call GetSecretValue").await?;
        let answer: Answer = read(&answer)?;
        answer.secret_string.ok_or_else(|| "it is binary, and a variable holds text".to_owned())
    }

    /// Sends a call. Returns the body of the answer, or the reason why there is none.
    async fn call(
        &self,
        operation: &Operation,
        endpoint: Option<&str>,
        region: &str,
        body: &Value,
        action: &str,
    ) -> Result<Bytes, String> {
        if region.is_empty() {
            return Err("its region is not known; set AWS_REGION".to_owned());
        }
        let signer = Signer::new(&self.access.aws, region.to_owned())
            .ok_or("there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
        let url = match endpoint {
            Some(endpoint) => parse_url(endpoint),
            None => parse_url(&eg_grammar::region::endpoint(operation.service, region)),
        };
        let url = url.map_err(|error| reasons(&error))?;
        let body = body.to_string().into();
        let reply = aws::call(&self.http, &signer, operation, &url, &body, action).await;
        reply.map(|reply| reply.body).map_err(|error| reasons(&error))
    }
}

/// Reads an answer. The reason does not repeat it, because it may contain a value.
fn read<T: for<'de> Deserialize<'de>>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer)
        .map_err(|error| format!("AWS returned an unexpected response (column {})", error.column()))
}

/// Returns the text of a member of a secret that is a JSON object.
fn member_of(secret: &Secret, member: &str) -> Outcome {
    let Ok(Value::Object(mut members)) = serde_json::from_str(secret.expose()) else {
        return Err(format!("the secret is not a JSON object, so it has no member `{member}`"));
    };
    match members.remove(member) {
        Some(Value::String(text)) => Ok(text.into()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string().into()),
        Some(_) => Err(format!("its member `{member}` is neither a text nor a number")),
        None => Err(format!("the secret has no member `{member}`")),
    }
}

/// Checks that a variable can hold a value.
fn without_nul(value: Secret) -> Outcome {
    match value.expose().contains('\0') {
        false => Ok(value),
        true => Err("its value contains a NUL byte, which no variable can hold".to_owned()),
    }
}

/// Returns the message of an error with its causes.
fn reasons(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_a_secret() {
        let secret =
            Secret::from(r#"{"password":"hunter2","port":5432,"on":true,"hosts":["a"],"none":null}"#);
        let of = |member| member_of(&secret, member).map(|value| value.expose().to_owned());
        assert_eq!(of("password").as_deref(), Ok("hunter2"));
        assert_eq!(of("port").as_deref(), Ok("5432"));
        assert_eq!(of("on").as_deref(), Ok("true"));
        for (member, reason) in [
            ("hosts", "its member `hosts` is neither a text nor a number"),
            ("none", "its member `none` is neither a text nor a number"),
            ("user", "the secret has no member `user`"),
        ] {
            assert_eq!(of(member), Err(reason.to_owned()));
        }
        assert!(without_nul("a\0b".into()).is_err() && without_nul("a\nb".into()).is_ok());
        let plain = member_of(&"hunter2".into(), "password").unwrap_err();
        assert_eq!(plain, "the secret is not a JSON object, so it has no member `password`");
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        #[derive(Debug, Deserialize)]
        struct Answer {
            #[allow(dead_code, reason = "read by nobody")]
            number: u32,
        }
        let reason = read::<Answer>(br#"{"number":"hunter2"}"#).unwrap_err();
        assert_eq!(reason, "AWS returned an unexpected response (column 19)");
    }
}
