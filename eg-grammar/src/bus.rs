//! Decides on which bus of EventBridge a source emits.

use crate::Mistake;

/// Returns whether a service of AWS emits with this source, on the default bus. Partners have buses of their own.
///
/// ```
/// use eg_grammar::is_of_aws;
///
/// assert!(is_of_aws("aws.s3") && !is_of_aws("/services/users") && !is_of_aws("aws.partner/example.com/shop"));
/// ```
#[must_use]
pub fn is_of_aws(source: &str) -> bool {
    source.starts_with("aws.") && !source.starts_with("aws.partner/")
}

/// Checks that one bus has the events of all sources of a pattern.
///
/// # Errors
/// If AWS emits with some of them, and others with the rest.
///
/// ```
/// use eg_grammar::check_sources;
///
/// assert!(check_sources(["aws.s3", "aws.ec2"]).is_ok());
/// assert!(check_sources(["aws.s3", "/services/pictures"]).is_err());
/// ```
pub fn check_sources<'a>(sources: impl IntoIterator<Item = &'a str>) -> Result<(), Mistake> {
    let mut sources = sources.into_iter();
    let Some(first) = sources.next() else { return Ok(()) };
    match sources.find(|source| is_of_aws(source) != is_of_aws(first)) {
        None => Ok(()),
        Some(other) => Err(Mistake::new(format!(
            "`{first}` and `{other}` emit on different buses, because only one of them is a service of AWS: write a trigger for \
             each"
        ))),
    }
}
