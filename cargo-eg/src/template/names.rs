//! Creates the names of a template, and references to what has them.

use super::Tree;

/// `users-create_user` → `UsersCreateUser`: only letters and digits.
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
pub(super) fn reference(id: &str) -> Tree {
    super::map! { "Ref" => id }
}

/// Returns a reference to a resource's ARN.
pub(super) fn arn(id: &str) -> Tree {
    attribute(id, "Arn")
}

/// Returns a reference to an attribute of a resource.
pub(super) fn attribute(id: &str, attribute: &str) -> Tree {
    super::map! { "Fn::GetAtt" => vec![id, attribute] }
}

/// Returns a text with `${…}` for names of resources and of AWS.
pub(super) fn sub(text: &str) -> Tree {
    super::map! { "Fn::Sub" => text }
}

/// Returns the physical name of something in the stack: `<stack>-<name>`.
pub(super) fn in_stack(name: &str) -> Tree {
    sub(&format!("${{AWS::StackName}}-{name}"))
}
