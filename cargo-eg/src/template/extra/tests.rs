//! What a file may add, how short forms are read, and the places of mistakes.

use serde_json::json;

use super::*;

const PICTURES: &str = r#"# Pictures of the shop.
AWSTemplateFormatVersion: 2010-09-09
Resources:
  Pictures:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties:
      BucketName: !Sub "${AWS::StackName}-pictures"
      VersioningConfiguration: { Status: Enabled }
      Tags: &tags
        - { Key: bus, Value: !GetAtt EventBus.Arn }
        - { Key: "007", Value: "yes" }
  Thumbnails:
    Type: AWS::S3::Bucket
    DependsOn: [Pictures]
    Properties:
      BucketName: !Join ["-", [!Ref AWS::StackName, !Select [0, !Split [",", "a,b"]]]]
      Tags: *tags
      LifecycleConfiguration:
        Rules: [{ ExpirationInDays: 30, Status: Enabled, Prefix: !Sub ["${Own}/", { Own: !Ref Pictures }] }]
Outputs:
  PicturesName:
    Value: !Ref Pictures
    Export: { Name: !Sub "${AWS::StackName}-PicturesName" }
"#;

fn read(text: &str) -> Result<Extra, (String, String)> {
    Extra::read(text, Path::new("/app/extra.yaml"))
}

#[test]
fn short_forms_become_long_ones_and_everything_else_stays() {
    let extra = read(PICTURES).unwrap();
    let value = |entry: &Entry| serde_json::to_value(&entry.tree).unwrap();
    let tags = json!([
        {"Key": "bus", "Value": {"Fn::GetAtt": ["EventBus", "Arn"]}}, {"Key": "007", "Value": "yes"}]);
    assert_eq!(
        value(&extra.resources[0]),
        json!({"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {
            "BucketName": {"Fn::Sub": "${AWS::StackName}-pictures"},
            "VersioningConfiguration": {"Status": "Enabled"}, "Tags": tags,
        }})
    );
    let part = json!({"Fn::Select": [0, {"Fn::Split": [",", "a,b"]}]});
    let prefix = json!({"Fn::Sub": ["${Own}/", {"Own": {"Ref": "Pictures"}}]});
    assert_eq!(
        value(&extra.resources[1])["Properties"],
        json!({
            "BucketName": {"Fn::Join": ["-", [{"Ref": "AWS::StackName"}, part]]}, "Tags": tags,
            "LifecycleConfiguration": {"Rules": [{"ExpirationInDays": 30, "Status": "Enabled", "Prefix": prefix}]},
        })
    );
    let output = json!({"Value": {"Ref": "Pictures"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-PicturesName"}}});
    assert_eq!(value(&extra.outputs[0]), output);
    let lines: Vec<u64> = extra.resources.iter().chain(&extra.outputs).map(|entry| entry.line).collect();
    assert_eq!(lines, [4, 13, 22]);
    let mut named = BTreeSet::new();
    extra.resources.iter().for_each(|entry| collect(&value(entry), &mut named));
    let named: Vec<String> = named.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["`AWS::StackName`", "`EventBus`", "`Pictures`"]);
}

#[test]
fn mistakes_have_a_line() {
    let check = |text: &str, place: &str, message: &str| {
        let (at, found) = read(text).expect_err(text);
        assert!(
            at == place && found.contains(message),
            "{text}\nexpected: {place} {message}\nfound:    {at} {found}"
        );
    };
    let resource = |lines: &str| format!("Resources:\n  A:\n    Type: T\n{lines}");
    check("Resources:\n  A: [1\n", "2:6", "unclosed bracket");
    check(&resource("    Type: U\n"), "4:5", "duplicate");
    check(&resource("  A:\n    Type: T\n"), "4:3", "duplicate");
    check("Resources:\n  A:\n    Typ: T\n", "2", "resource `A` has no `Type`");
    check("Resources:\n  A-B:\n    Type: T\n", "2", "`A-B` cannot be a logical id: use letters and digits");
    check("Resources:\n  A: 7\n", "2", "`A` is not a map of properties");
    check("Outputs:\n  A: { Export: x }\n", "2", "output `A` has no `Value`");
    check("Parameters: {}\n", "1:1", "unknown field `Parameters`, expected one of Resources, Outputs");
    check(&resource("    X: !Rfe A\n"), "4:13", "CloudFormation has no function `!Rfe`; did you mean `Ref`?");
    check(
        &resource("    X: !GetAtt A\n"),
        "4:16",
        "`!GetAtt A` has no attribute, as in `!GetAtt Pictures.Arn`",
    );
    check(&resource("    X: *none\n"), "4:8", "");
}
