//! Finds the values of secrets on this machine, in the file `.env` beside the application's `eg.toml`, and names those without one.
//! On AWS, they come from where `eg.toml` says; no value is ever shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::project::deploy::{Deploy, SECRETS};

/// The values of secrets, and those that have none.
#[derive(Default)]
pub(super) struct Secrets {
    /// The content of the files.
    files: BTreeMap<PathBuf, BTreeMap<String, String>>,
    /// The files in which values are missing, with the names.
    missing: BTreeMap<PathBuf, Vec<String>>,
}

impl Secrets {
    /// Returns the value of a secret. One without a value is reported by [`check`](Self::check).
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub(super) fn get(&mut self, name: &str, deploy: &Deploy) -> Result<Option<String>, Failure> {
        let path = deploy.folder.join(SECRETS);
        if !self.files.contains_key(&path) {
            let values = read(&path)?;
            self.files.insert(path.clone(), values);
        }
        let value = self.files[&path].get(name).cloned();
        if value.is_none() {
            let missing = self.missing.entry(path).or_default();
            if !missing.iter().any(|known| known == name) {
                missing.push(name.to_owned());
            }
        }
        Ok(value)
    }

    /// Checks that each secret that was asked for has a value.
    pub(super) fn check(self) -> Result<(), Failure> {
        let Some((file, names)) = self.missing.into_iter().next() else { return Ok(()) };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (list, first) = (eg_grammar::list(&names), names.first().copied().unwrap_or_default());
        let message = match names.len() {
            1 => format!("the secret {list} has no value on this machine"),
            _ => format!("the secrets {list} have no value on this machine"),
        };
        Err(Failure::new(Exit::Usage, message).hint(format!(
            "write `{first}=…` into {}, which git must ignore, or set the variable {first}",
            file.display()
        )))
    }
}

/// Reads lines `NAME=value`. A file that does not exist has none.
fn read(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display())));
        }
    };
    parse(&text).map_err(|line| {
        Failure::new(Exit::Usage, format!("{}:{line}: the line is not `NAME=value`", path.display()))
            .hint("a comment begins with `#`")
    })
}

/// Returns the names and values, or the number of a line that has none. A value is the rest of the line, without white space and
/// quotes around it. Nothing in it has a special meaning.
fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut values = BTreeMap::new();
    for (number, line) in eg_grammar::text_without_bom(text).lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(number + 1);
        }
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        values.insert(name.to_owned(), quoted.unwrap_or(value).to_owned());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_names_and_values() {
        let check = |text: &str, expected: Result<&[(&str, &str)], usize>| {
            let expected = expected.map(|pairs| {
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            });
            assert_eq!(parse(text), expected, "{text:?}");
        };
        check("", Ok(&[]));
        check("# a comment\n\n A = 1 \nB=\n", Ok(&[("A", "1"), ("B", "")]));
        check("\u{feff}export A=pa$$=word # no comment", Ok(&[("A", "pa$$=word # no comment")]));
        check(
            "A=\" x \"\nB='\"'\nC=\"\nD='x\"",
            Ok(&[("A", " x "), ("B", "\""), ("C", "\""), ("D", "'x\"")]),
        );
        check("A=1\r\nA=2\r\n", Ok(&[("A", "2")]));
        check("A=1\nsecret", Err(2));
        check("=x", Err(1));
        check("two words=x", Err(1));
    }
}
