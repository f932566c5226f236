//! The files that a template names: finds them in it, and puts in their place where they are in the bucket. Sending them there
//! is left to `bucket`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::exit::{Exit, Failure};
#[cfg(feature = "aws")]
use crate::template::moved;
use crate::template::{Owners, Refused, Tree, divided, nested, nested_mut};

const FUNCTION: &str = "AWS::Lambda::Function";

/// The members of a function's code: the bucket, and the key of the file in it.
const BUCKET: &str = "S3Bucket";
const KEY: &str = "S3Key";

/// How many digits of a hash tell two versions of a file apart for people.
const SHOWN: usize = 12;

/// A template whose files have their places in the bucket, though the bucket itself is not chosen yet.
#[derive(Debug)]
pub(crate) struct Packaged {
    /// The template. Its code has an `S3Key` and no `S3Bucket`, so it is the same in every account.
    pub(crate) template: Value,
    /// The files, by their keys.
    pub(crate) files: BTreeMap<String, PathBuf>,
    /// Which resources belong to one function. `None`: the template was deployed before, and is divided as it was.
    pub(crate) owners: Option<Owners>,
}

impl Packaged {
    /// Returns the template for a stack that has the template `before`: divided if it is too large for one stack.
    pub(crate) fn placed(&self, before: Option<&Value>) -> Result<Value, Failure> {
        let Some(owners) = &self.owners else {
            #[cfg(feature = "aws")]
            if let Some(function) = before.and_then(|before| moved(before, &self.template).into_iter().next())
            {
                let message =
                    format!("function `{function}` was in another nested stack, and AWS cannot move it");
                return Err(
                    Failure::new(Exit::Refused, message).hint("go back in the sources, then deploy them")
                );
            }
            return Ok(self.template.clone());
        };
        let tree = Tree::Json(self.template.clone());
        let tree = divided(tree, owners, before)
            .map_err(|problems| Failure::new(Exit::Manifest, Refused(problems)))?;
        serde_json::to_value(&tree)
            .map_err(|error| Failure::because(Exit::Failed, "cannot write the template".to_owned(), error))
    }
}

/// Replaces the paths of files in a template. `folder` is the folder in the bucket, and `here` is where relative paths begin.
pub(crate) fn package(
    mut template: Value,
    owners: Owners,
    folder: &str,
    here: &Path,
) -> Result<Packaged, Failure> {
    let mut known: BTreeMap<PathBuf, String> = BTreeMap::new();
    for resource in template["Resources"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let Some(code) = code_of(resource) else { continue };
        let Some(path) = code.as_str().map(|path| here.join(path)) else { continue };
        let key = match known.get(&path) {
            Some(key) => key.clone(),
            None => {
                let content = fs::read(&path).map_err(|error| {
                    Failure::because(Exit::NotFound, format!("cannot read {}", path.display()), error)
                })?;
                let key = format!("{folder}/assets/{}.zip", digest(&content));
                known.insert(path, key.clone());
                key
            }
        };
        *code = json!({ KEY: key });
    }
    let files = known.into_iter().map(|(path, key)| (key, path)).collect();
    Ok(Packaged { template, files, owners: Some(owners) })
}

/// Returns the template with the bucket in which its files are.
pub(crate) fn in_bucket(mut template: Value, bucket: &str) -> Value {
    each_code(&mut template, |code| drop(code.insert(BUCKET.to_owned(), bucket.into())));
    template
}

/// Returns the template without the bucket in which its files are, as `package` makes it.
pub(crate) fn without_bucket(mut template: Value) -> Value {
    each_code(&mut template, |code| drop(code.remove(BUCKET)));
    template
}

/// Returns the keys of the files that a template names.
pub(crate) fn keys<'a>(template: &'a Value) -> BTreeSet<&'a str> {
    let of = |template: &'a Value| template["Resources"].as_object().into_iter().flat_map(Map::values);
    let inner = nested(template).flat_map(|(_, template)| of(template));
    of(template).chain(inner).filter_map(key).collect()
}

/// Returns the key of the code that a resource runs.
pub(super) fn key(resource: &Value) -> Option<&str> {
    (resource["Type"] == FUNCTION).then(|| resource["Properties"]["Code"][KEY].as_str()).flatten()
}

/// Returns where a resource says which code it runs.
fn code_of(resource: &mut Value) -> Option<&mut Value> {
    if resource["Type"] != FUNCTION {
        return None;
    }
    resource.get_mut("Properties")?.get_mut("Code")
}

/// Changes the places of all files that the bucket has.
fn each_code(template: &mut Value, change: impl Fn(&mut Map<String, Value>)) {
    nested_mut(template).for_each(|(_, template)| each_code_of(template, &change));
    each_code_of(template, &change);
}

fn each_code_of(template: &mut Value, change: impl Fn(&mut Map<String, Value>)) {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut);
    let resources = resources.into_iter().flat_map(Map::values_mut);
    let places = resources.filter_map(code_of).filter_map(Value::as_object_mut);
    places.filter(|code| code.contains_key(KEY)).for_each(change);
}

/// Returns the SHA-256 in hexadecimal digits.
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns what tells the versions of a file apart: the beginning of the hash in its key.
pub(super) fn hash_of(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.get(..SHOWN).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_by_its_place_in_the_bucket() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.zip"), "a").unwrap();
        let function = |code: Value| json!({"Type": "AWS::Lambda::Function", "Properties": {"Code": code}});
        let inline = function(json!({"ZipFile": "exports.handler = () => 1"}));
        let template = json!({"Resources": {
            "A": function(json!("a.zip")), "Again": function(json!("a.zip")), "Inline": inline,
            "Other": {"Type": "AWS::SQS::Queue", "Properties": {"Code": "a.zip"}},
        }});
        let Packaged { template, files, .. } =
            package(template, Owners::new(), "shop", folder.path()).unwrap();
        let key = "shop/assets/ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb.zip";
        assert_eq!(template["Resources"]["A"]["Properties"]["Code"], json!({ "S3Key": key }));
        assert_eq!(template["Resources"]["A"], template["Resources"]["Again"]);
        assert_eq!(template["Resources"]["Inline"], inline);
        assert_eq!(template["Resources"]["Other"]["Properties"]["Code"], "a.zip");
        assert_eq!(files, BTreeMap::from([(key.to_owned(), folder.path().join("a.zip"))]));
        assert_eq!(hash_of(key), "ca978112ca1b");

        let placed = in_bucket(template.clone(), "b");
        assert_eq!(placed["Resources"]["A"]["Properties"]["Code"], json!({ "S3Bucket": "b", "S3Key": key }));
        assert_eq!(keys(&placed), BTreeSet::from([key]));
        assert_eq!(without_bucket(placed), template);
    }

    #[test]
    fn a_missing_file_is_named() {
        let template =
            json!({"Resources": {"A": {"Type": "AWS::Lambda::Function", "Properties": {"Code": "no.zip"}}}});
        let failure = package(template, Owners::new(), "shop", Path::new("/nowhere")).unwrap_err();
        assert!(failure.text().starts_with("cannot read /nowhere/no.zip: "), "{}", failure.text());
    }
}
