//! Defines what a CORS configuration allows if one of its lists is empty, as in Event Gateway 0.9.1.

use crate::Method;

/// The allowed origins: all.
pub const DEFAULT_ORIGINS: [&str; 1] = ["*"];

/// The allowed methods.
pub const DEFAULT_METHODS: [&str; 3] = ["HEAD", "GET", "POST"];

/// The allowed request headers.
pub const DEFAULT_HEADERS: [&str; 3] = ["Origin", "Accept", "Content-Type"];

/// Returns the allowed methods of a route: the default ones and its own.
#[must_use]
pub fn methods_for(method: Method) -> Vec<&'static str> {
    let mut methods = DEFAULT_METHODS.to_vec();
    if !methods.contains(&method.as_str()) {
        methods.push(method.as_str());
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_allows_its_own_method() {
        assert_eq!(methods_for(Method::Put), ["HEAD", "GET", "POST", "PUT"]);
        assert_eq!(methods_for(Method::Get), ["HEAD", "GET", "POST"]);
    }
}
