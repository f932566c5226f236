//! The bucket with everything that was deployed: programs by their content, templates by theirs, and for each stack the order of
//! its versions. All keys of a stack begin with its name.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use aws_config::SdkConfig;
use serde_json::Value;
use time::OffsetDateTime;

use super::assets::{Packaged, digest, in_bucket, keys, without_bucket};
use super::target::Target;
use crate::aws::region;
use crate::aws::s3::{Bucket, Found};
use crate::console::text::clock;
use crate::exit::{Exit, Failure};
use crate::template::nested_mut;

/// The largest template that CloudFormation reads, in bytes.
const LARGEST: usize = 1_000_000;

/// A version of a stack that was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// The key of its entry in the history.
    key: String,
    /// The hash of its template.
    pub(crate) hash: String,
    /// When it was deployed, for people: `2026-01-31 12:00:00`.
    pub(crate) at: String,
}

/// Returns the bucket `chosen` or, without a choice, the one of the account and region, which is created once.
pub(crate) async fn open(config: &SdkConfig, account: &str, chosen: Option<&str>) -> Result<Bucket, Failure> {
    if let Some(bucket) = existing(config, account, chosen).await? {
        if chosen.is_none() {
            bucket.complete().await?;
        }
        return Ok(bucket);
    }
    let region = region(config);
    if let Some(name) = chosen {
        return Err(Failure::new(Exit::NotFound, format!("there is no bucket `{name}` in {region}"))
            .hint("create it, or leave --bucket out: `cargo eg deploy` then creates one"));
    }
    let bucket = named(config, account, None);
    bucket.create().await?;
    eprintln!("created the bucket {} for what is deployed to {region}", bucket.name);
    Ok(bucket)
}

/// Returns the bucket, if it exists.
pub(crate) async fn existing(
    config: &SdkConfig,
    account: &str,
    chosen: Option<&str>,
) -> Result<Option<Bucket>, Failure> {
    let bucket = named(config, account, chosen);
    match bucket.find().await? {
        Found::Own => Ok(Some(bucket)),
        Found::Missing => Ok(None),
        Found::Closed => Err(bucket.not_ours()),
        Found::Elsewhere => {
            let message = format!("the bucket `{}` is not in {}", bucket.name, region(config));
            Err(Failure::new(Exit::Refused, message).hint(
                "choose one in the region of the stack: Lambda reads programs from its own region only",
            ))
        }
    }
}

fn named(config: &SdkConfig, account: &str, chosen: Option<&str>) -> Bucket {
    let name = chosen.map_or_else(|| format!("eg-deploy-{account}-{}", region(config)), str::to_owned);
    Bucket::new(config, name, account.to_owned())
}

/// Sends the files that are not in the bucket yet. Returns their keys.
pub(crate) async fn upload(
    bucket: &Bucket,
    files: &BTreeMap<String, PathBuf>,
) -> Result<Vec<String>, Failure> {
    let mut sent = Vec::new();
    for (key, path) in files {
        if bucket.has(key).await? {
            continue;
        }
        let content = fs::read(path).map_err(|error| {
            Failure::because(Exit::NotFound, format!("cannot read {}", path.display()), error)
        })?;
        // The key was made from the content a moment ago.
        if !key.contains(&digest(&content)) {
            let message = format!("{} has changed while it was being deployed", path.display());
            return Err(Failure::new(Exit::Failed, message).hint("run the command again"));
        }
        bucket.put(key, content).await?;
        sent.push(key.clone());
    }
    Ok(sent)
}

/// Stores a template, and before it those of its nested stacks. Returns its hash, and the URL at which CloudFormation reads it.
pub(crate) async fn store(
    bucket: &Bucket,
    target: &Target,
    template: &Value,
) -> Result<(String, String), Failure> {
    let texts = texts(bucket, target, template)?;
    for (_, text) in &texts {
        if text.len() > LARGEST {
            let message = format!("the template has {} bytes, and AWS takes at most {LARGEST}", text.len());
            return Err(Failure::new(Exit::Refused, message)
                .hint("deploy some of the services as a stack of their own"));
        }
    }
    let mut last = String::new();
    for (hash, text) in texts {
        let key = template_key(target, &hash);
        if !bucket.has(&key).await? {
            bucket.put(&key, text).await?;
        }
        last = hash;
    }
    let url = bucket.url(&template_key(target, &last));
    Ok((last, url))
}

/// Returns the hash under which `store` keeps a template.
pub(crate) fn hash(bucket: &Bucket, target: &Target, template: &Value) -> Result<String, Failure> {
    let texts = texts(bucket, target, template)?;
    Ok(texts.into_iter().next_back().map(|(hash, _)| hash).unwrap_or_default())
}

/// Returns a template as it is stored, with its hash: those of the nested stacks, then the one that names their URLs.
fn texts(bucket: &Bucket, target: &Target, template: &Value) -> Result<Vec<(String, String)>, Failure> {
    let mut whole = in_bucket(template.clone(), &bucket.name);
    let mut texts = Vec::new();
    for (_, part) in nested_mut(&mut whole) {
        let (hash, text) = text(part)?;
        *part = bucket.url(&template_key(target, &hash)).into();
        texts.push((hash, text));
    }
    texts.push(text(&whole)?);
    Ok(texts)
}

fn text(template: &Value) -> Result<(String, String), Failure> {
    let text = serde_json::to_string_pretty(template)
        .map_err(|error| Failure::because(Exit::Failed, "cannot write the template".to_owned(), error))?;
    Ok((digest(text.as_bytes()), text))
}

/// Reads a template that was stored, as it was before.
pub(crate) async fn load(bucket: &Bucket, target: &Target, version: &Version) -> Result<Value, Failure> {
    let mut template = read(bucket, &template_key(target, &version.hash), version).await?;
    for (_, part) in nested_mut(&mut template) {
        let url = part.as_str().unwrap_or_default();
        let name = url.rsplit('/').next().and_then(|name| name.strip_suffix(".json")).unwrap_or_default();
        *part = read(bucket, &template_key(target, name), version).await?;
    }
    Ok(without_bucket(template))
}

async fn read(bucket: &Bucket, key: &str, version: &Version) -> Result<Value, Failure> {
    let text = bucket.get(key).await?;
    serde_json::from_slice(&text).map_err(|error| {
        let message = format!("cannot read the template of {} in the bucket `{}`", version.at, bucket.name);
        Failure::because(Exit::Failed, message, error)
    })
}

/// Checks that the programs of a version are still there.
pub(crate) async fn check(bucket: &Bucket, packaged: &Packaged) -> Result<(), Failure> {
    for key in keys(&packaged.template) {
        if !bucket.has(key).await? {
            let message = format!("the program {key} is not in the bucket `{}` any more", bucket.name);
            return Err(
                Failure::new(Exit::NotFound, message).hint("go back in the sources, then deploy them")
            );
        }
    }
    Ok(())
}

/// Adds a version to the history of the stack, unless it is the last one there.
pub(crate) async fn remember(bucket: &Bucket, target: &Target, hash: &str) -> Result<(), Failure> {
    if versions(bucket, target).await?.last().is_some_and(|last| last.hash == hash) {
        return Ok(());
    }
    // Keys are in the order of their letters, and so of these times.
    let now = clock(OffsetDateTime::now_utc()).replace(' ', "T").replace(':', ".");
    bucket.put(&format!("{}{now}-{hash}", history(target)), "").await
}

/// Returns the versions of the stack, oldest first.
pub(crate) async fn versions(bucket: &Bucket, target: &Target) -> Result<Vec<Version>, Failure> {
    let prefix = history(target);
    let keys = bucket.keys(&prefix).await?;
    Ok(keys.into_iter().filter_map(|key| version(&prefix, key)).collect())
}

/// Removes versions from the history: the stack is at an earlier one.
pub(crate) async fn forget(bucket: &Bucket, versions: &[Version]) -> Result<(), Failure> {
    for version in versions {
        bucket.delete(&version.key).await?;
    }
    Ok(())
}

/// Deletes everything of a stack. Returns how many versions of objects these were.
pub(crate) async fn clear(bucket: &Bucket, target: &Target) -> Result<usize, Failure> {
    let mut deleted = 0;
    for folder in folders(target) {
        deleted += bucket.delete_all(&folder).await?;
    }
    Ok(deleted)
}

/// Returns what the keys of a stack begin with. A bucket of the user's choice may have other objects below the stack's name.
fn folders(target: &Target) -> [String; 3] {
    let stack = &target.stack;
    [format!("{stack}/assets/"), format!("{stack}/templates/"), history(target)]
}

fn history(target: &Target) -> String {
    format!("{}/history/", target.stack)
}

fn template_key(target: &Target, hash: &str) -> String {
    format!("{}/templates/{hash}.json", target.stack)
}

/// Reads the key of a version: `shop/history/2026-01-31T12.00.00.000-<hash>`.
fn version(prefix: &str, key: String) -> Option<Version> {
    let (time, hash) = key.strip_prefix(prefix)?.rsplit_once('-')?;
    let (day, time) = time.split_once('T')?;
    let at = format!("{day} {}", time.get(..8)?.replace('.', ":"));
    Some(Version { hash: hash.to_owned(), at, key })
}

/// Returns the version before the one that is deployed. `live` is the hash of the deployed template.
///
/// A deployment that was interrupted is not in the history: then the last version there is the one before.
pub(crate) fn previous<'a>(versions: &'a [Version], live: &str) -> Option<&'a Version> {
    let until = versions.iter().rposition(|version| version.hash == live).unwrap_or(versions.len());
    versions[..until].iter().rfind(|version| version.hash != live)
}

/// Returns the versions after the one that is live again.
pub(crate) fn after<'a>(versions: &'a [Version], live: &Version) -> &'a [Version] {
    let until = versions.iter().position(|version| version == live).map_or(versions.len(), |at| at + 1);
    &versions[until..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_previous_version_is_the_last_other_one() {
        let prefix = "shop/history/";
        let entry = |n: usize, hash: &str| {
            version(prefix, format!("{prefix}2026-01-31T12.00.0{n}.000-{hash}")).unwrap()
        };
        let versions: Vec<Version> =
            ["a", "b", "b"].iter().enumerate().map(|(n, hash)| entry(n, hash)).collect();
        assert_eq!(versions[1].at, "2026-01-31 12:00:01");
        assert_eq!(previous(&versions, "b"), Some(&versions[0]));
        assert_eq!(after(&versions, &versions[0]), &versions[1..]);
        assert_eq!(after(&versions, &versions[2]), &versions[3..]);
        assert_eq!(after(&versions[1..], &versions[0]), &versions[3..]);
        assert_eq!(previous(&versions[1..], "b"), None);
        assert_eq!(previous(&[], "b"), None);
        // An interrupted deployment has left no entry.
        assert_eq!(previous(&versions, "c"), Some(&versions[2]));
        // An interrupted rollback has left the entries of later versions.
        assert_eq!(previous(&versions, "a"), None);
        assert_eq!(version(prefix, format!("{prefix}nonsense")), None);
    }

    #[test]
    fn what_is_cleared_is_what_was_sent() {
        let target = Target { stack: "shop".to_owned(), is_stage: true, options: String::new() };
        let folders = folders(&target);
        assert_eq!(folders, ["shop/assets/", "shop/templates/", "shop/history/"]);
        assert!(template_key(&target, "a").starts_with(&folders[1]));
    }
}
