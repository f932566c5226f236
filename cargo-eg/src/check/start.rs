//! Turns functions that failed to start into findings. Starting them is left to the command `check`.

use std::collections::BTreeMap;

use eg_sdk::manifest::Function;

use super::model::{Service, place};
use super::{Class, Finding};

/// Returns findings for functions that cannot start, given the reasons by function id. Functions of one service with
/// the same reason share a finding.
pub(crate) fn unstartable(services: &[Service], reasons: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in services {
        let mut by_reason: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
        for function in &service.functions {
            if let Some(reason) = reasons.get(&function.id) {
                by_reason.entry(reason).or_default().push(function);
            }
        }
        findings.extend(by_reason.into_iter().map(|(reason, functions)| {
            let ids: Vec<&str> = functions.iter().map(|function| function.id.as_str()).collect();
            let message = format!("{} cannot start: {reason}", ids.join(" and "));
            let places = functions.into_iter().map(|function| place(function, "")).collect();
            Finding::new(Class::CannotStart, message, places)
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn what_fails_alike_is_told_once() {
        let given = services(&[
            ("users", &[("create", &["POST /users"], &[]), ("get", &["GET /users"], &[])]),
            ("mail", &[("send", &["user.created"], &[]), ("log", &["user.created"], &[])]),
        ]);
        let reason = |id: &str| (id.to_owned(), "no state".to_owned());
        let reasons = ["users-create", "users-get", "mail-log"].map(reason).into();
        assert_eq!(
            texts(&unstartable(&given, &reasons)),
            [
                "users-create and users-get cannot start: no state @ users.rs:1 users-create, users.rs:2 users-get",
                "mail-log cannot start: no state @ mail.rs:2 mail-log",
            ]
        );
    }
}
