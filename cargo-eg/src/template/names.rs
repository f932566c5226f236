//! Creates the names of a template: only letters and digits, and each name once.

use std::collections::BTreeMap;

/// The logical ids in use, and what they stand for.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

/// Two things that would have the same name in a template.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} would both be `{id}` in the template: rename one")]
pub(crate) struct SameName {
    first: String,
    second: String,
    id: String,
}

impl Names {
    /// Reserves `id` for `what`.
    pub(super) fn take(&mut self, id: String, what: &str) -> Result<String, SameName> {
        match self.0.insert(id.clone(), what.to_owned()) {
            None => Ok(id),
            Some(first) => Err(SameName { first, second: what.to_owned(), id }),
        }
    }
}

/// `users-create_user` → `UsersCreateUser`.
pub(super) fn pascal(text: &str) -> String {
    let mut name = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut chars = word.chars();
        name.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(chars.as_str());
    }
    name
}

/// Returns a reference to a resource.
pub(super) fn reference(id: &str) -> super::Tree {
    super::map! { "Ref" => id }
}

/// Returns a reference to a resource's ARN.
pub(super) fn arn(id: &str) -> super::Tree {
    super::map! { "Fn::GetAtt" => vec![id, "Arn"] }
}
