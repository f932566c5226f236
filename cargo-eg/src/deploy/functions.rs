//! The functions of a deployed stack: their names for people, and where AWS runs them and keeps their logs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::contents::Resource;
use super::described::{Reader, name};
use super::target::Target;
use crate::template::joined;

/// The beginning of the names of log groups that Lambda makes.
const GROUPS: &str = "/aws/lambda/";

/// A function of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its id, as in the code: `users-create_user`.
    pub(crate) id: String,
    /// Its name in AWS.
    pub(crate) physical: String,
    pub(crate) log_group: String,
}

/// Returns the functions of a stack by their ids. `template` may be `Null`: then names follow from the names in AWS.
pub(crate) fn functions(target: &Target, template: &Value, resources: &[Resource]) -> Vec<Function> {
    let nothing = Map::new();
    let template = &*joined(template);
    let reader = Reader::new(template, &nothing);
    let physical: BTreeMap<&str, &str> =
        resources.iter().map(|resource| (resource.id.as_str(), resource.physical.as_str())).collect();
    let of_lambda = resources.iter().filter(|resource| resource.kind == "AWS::Lambda::Function");
    let mut functions: Vec<Function> = of_lambda
        .map(|resource| {
            let described = &template["Resources"][&resource.id];
            let id = match described {
                Value::Null => target.own_name(&resource.physical).to_owned(),
                described => name(&resource.id, described),
            };
            let group = &described["Properties"]["LoggingConfig"]["LogGroup"];
            let named = reader.referenced(group).and_then(|group| physical.get(group).copied());
            let by_default = || format!("{GROUPS}{}", resource.physical);
            let log_group = named.or(group.as_str()).map_or_else(by_default, str::to_owned);
            Function { id, physical: resource.physical.clone(), log_group }
        })
        .collect();
    functions.sort_by(|a, b| a.id.cmp(&b.id));
    functions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_function_has_the_name_of_its_code_and_the_log_of_its_template() {
        let resource = |id: &str, kind: &str, physical: &str| Resource {
            id: id.to_owned(),
            physical: physical.to_owned(),
            kind: kind.to_owned(),
        };
        let resources = [
            // The service has the name of the stack.
            resource("Create", "AWS::Lambda::Function", "shop-dev-shop-dev-create"),
            resource("CreateLog", "AWS::Logs::LogGroup", "shop-dev-CreateLog-X1"),
            resource("List", "AWS::Lambda::Function", "shop-dev-List-Y2"),
        ];
        let template = json!({"Resources": {
            "Create": {"Type": "AWS::Lambda::Function", "Properties": {
                "FunctionName": {"Fn::Sub": "${AWS::StackName}-shop-dev-create"}, "LoggingConfig": {"LogGroup": {"Ref": "CreateLog"}}}},
            "CreateLog": {"Type": "AWS::Logs::LogGroup"},
            "List": {"Type": "AWS::Lambda::Function", "Properties": {}},
        }});
        let check = |template: &Value, expected: [[&str; 3]; 2]| {
            let target = Target { stack: "shop-dev".to_owned(), is_stage: true, options: String::new() };
            let found = functions(&target, template, &resources);
            let found: Vec<_> = found.iter().map(|one| [&*one.id, &*one.physical, &*one.log_group]).collect();
            assert_eq!(found, expected);
        };
        check(
            &template,
            [
                ["List", "shop-dev-List-Y2", "/aws/lambda/shop-dev-List-Y2"],
                ["shop-dev-create", "shop-dev-shop-dev-create", "shop-dev-CreateLog-X1"],
            ],
        );
        check(
            &Value::Null,
            [
                ["List-Y2", "shop-dev-List-Y2", "/aws/lambda/shop-dev-List-Y2"],
                ["shop-dev-create", "shop-dev-shop-dev-create", "/aws/lambda/shop-dev-shop-dev-create"],
            ],
        );
    }
}
