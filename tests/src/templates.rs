//! Checks templates of CloudFormation as AWS does, as far as that needs no account.

use std::path::PathBuf;

use crate::python::python;

/// Checks the resources by their schemas, and the policies by the actions and resources that IAM knows.
const CHECK: &str = r#"
import json, sys
import yaml
from cfnlint.api import lint, ManualArgs
from parliament import analyze_policy_string

# An ARN for each service, in place of the references of the template.
BEGIN = "arn:aws:{}:eu-central-1:123456789012:"
ARNS = {
    "dynamodb": BEGIN.format("dynamodb") + "table/x",
    "events": BEGIN.format("events") + "event-bus/x",
    "kafka": BEGIN.format("kafka") + "cluster/x/11111111-1111-1111-1111-111111111111-1",
    "kinesis": BEGIN.format("kinesis") + "stream/x",
    "s3": "arn:aws:s3:::x/*",
    "secretsmanager": BEGIN.format("secretsmanager") + "secret:x-??????",
    "ssm": BEGIN.format("ssm") + "parameter/x",
    "logs": BEGIN.format("logs") + "log-group:x:*",
    "sqs": BEGIN.format("sqs") + "x",
}

def arn(statement):
    action = statement["Action"][0]
    stream = "/stream/x" if action == "dynamodb:DescribeStream" else ""
    return ARNS[action.split(":")[0]] + stream

problems = []
for name in sys.argv[1:]:
    template = yaml.safe_load(open(name))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            # The code in S3, to which tools upload the file.
            resource["Properties"]["Code"] = {"S3Bucket": "bucket", "S3Key": "code.zip"}
        if resource["Type"] == "AWS::CloudFormation::Stack":
            resource["Properties"]["TemplateURL"] = "https://bucket.s3.eu-central-1.amazonaws.com/part.json"
    matches = lint(json.dumps(template), config=ManualArgs(regions=["eu-central-1"]))
    problems += [f"{name}: {match.rule.id} {match.message} {match.path}" for match in matches]
    for resource in template["Resources"].values():
        for policy in resource.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                statement["Resource"] = "*" if statement["Resource"] == "*" else arn(statement)
            findings = analyze_policy_string(json.dumps(policy["PolicyDocument"])).findings
            problems += [f"{name}: {finding}" for finding in findings]
print("\n".join(problems))
"#;

/// Returns what is wrong with the templates in these files, one line for each mistake. `None` if this machine has no Python.
///
/// # Panics
/// If a file is no template.
#[must_use]
pub fn complaints(templates: &[PathBuf]) -> Option<String> {
    let names: Vec<&str> = templates.iter().filter_map(|file| file.to_str()).collect();
    let output = python(CHECK, &names)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
