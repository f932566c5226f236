//! `eg.lock.json`: the templates that were deployed last, kept beside the sources, so that changes can be shown without an
//! account. Deploying is left to the other modules.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// The name of the file.
pub(crate) const FILE: &str = "eg.lock.json";

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// By the names of the stacks.
    stacks: BTreeMap<String, Deployed>,
}

/// What was deployed last as a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployed {
    pub(crate) region: String,
    /// The template, with the keys of its files and without their bucket.
    pub(crate) template: Value,
}

/// The file in a folder, which need not exist.
#[derive(Debug)]
pub(crate) struct Record(PathBuf);

impl Record {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }

    /// Returns what was deployed last as this stack.
    pub(crate) fn get(&self, stack: &str) -> Result<Option<Deployed>, Failure> {
        Ok(self.read()?.stacks.remove(stack))
    }

    /// Records a deployment, or with `None` the removal of the stack. Returns whether the file has changed.
    pub(crate) fn set(&self, stack: &str, deployed: Option<Deployed>) -> Result<bool, Failure> {
        let mut content = self.read()?;
        let before = match deployed {
            Some(deployed) => {
                let before = content.stacks.insert(stack.to_owned(), deployed);
                before.as_ref() == content.stacks.get(stack)
            }
            None => content.stacks.remove(stack).is_none(),
        };
        if before {
            return Ok(false);
        }
        let cannot = |error: io::Error| {
            Failure::because(Exit::Failed, format!("cannot write {}", self.0.display()), error)
        };
        let text = serde_json::to_string_pretty(&content).map_err(|error| cannot(error.into()))?;
        let folder = self.0.parent().unwrap_or(&self.0);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
        io::Write::write_all(&mut file, (text + "\n").as_bytes()).map_err(cannot)?;
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(file.path(), rights).map_err(cannot)?;
        file.persist(&self.0).map_err(|error| cannot(error.error))?;
        Ok(true)
    }

    fn read(&self) -> Result<Content, Failure> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Content { version: VERSION, stacks: BTreeMap::new() });
            }
            Err(error) => {
                let message = format!("cannot read {}", self.0.display());
                return Err(Failure::because(Exit::Failed, message, error));
            }
        };
        let unreadable = |why: String| {
            Failure::new(Exit::Failed, format!("cannot read {}: {why}", self.0.display())).hint(
                "restore the file from your version control, or delete it: the next deployment writes it again",
            )
        };
        let content: Content =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if content.version != VERSION {
            return Err(unreadable(format!("it has version {}, not {VERSION}", content.version)));
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deployments_are_recorded_by_stack() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::in_folder(folder.path());
        let deployed = |n: u32| Deployed { region: "eu-central-1".to_owned(), template: json!({ "n": n }) };
        assert_eq!(record.get("shop").unwrap(), None);
        assert!(record.set("shop", Some(deployed(1))).unwrap());
        assert!(record.set("shop-test", Some(deployed(2))).unwrap());
        assert!(!record.set("shop", Some(deployed(1))).unwrap(), "the same again");
        assert!(record.set("shop", Some(deployed(3))).unwrap());
        assert_eq!(record.get("shop").unwrap(), Some(deployed(3)));
        assert!(record.set("shop", None).unwrap());
        assert!(!record.set("shop", None).unwrap());
        assert_eq!(record.get("shop-test").unwrap(), Some(deployed(2)));
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(text.starts_with("{\n  \"version\": 1,") && text.ends_with("}\n"), "{text}");
    }

    #[test]
    fn a_damaged_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::in_folder(folder.path());
        for text in ["{\"version\":1,\"stacks\":{", "<<<<<<< HEAD", "{\"version\":2,\"stacks\":{}}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let failure = record.set("shop", None).unwrap_err();
            assert!(
                failure.text().contains("restore the file from your version control"),
                "{}",
                failure.text()
            );
            assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), text);
        }
    }
}
