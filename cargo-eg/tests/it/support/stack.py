"""Prints what AWS has made from a template, as JSON: functions with their settings and policies, rules, routes, queues.

With the third argument "tap", each rule gets a queue in the place of its target, a function or the queue that a function reads: moto
cannot invoke functions, and the test sees what is delivered to them. Without it, there are no rules in the output.
"""

import ast
import json
import sys

import boto3

stack, endpoint, *tapped = sys.argv[1:]


def client(service):
    return boto3.client(
        service, region_name="eu-central-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    )


events, iam, functions, sqs = (client(name) for name in ("events", "iam", "lambda", "sqs"))
resources = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]


def physical(kind):
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if one.get("ResourceType") == kind}


def policy(role, name):
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    # moto has written the object of the template in Python's notation.
    return ast.literal_eval(document) if isinstance(document, str) else document


def function(name):
    settings = functions.get_function(FunctionName=name)["Configuration"]
    role = settings["Role"].split("/")[-1]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {
        "handler": settings["Handler"],
        "timeout": settings["Timeout"],
        "memory": settings["MemorySize"],
        "variables": settings.get("Environment", {}).get("Variables", {}),
        "policies": [policy(role, name) for name in names],
    }


def reader(target):
    """Returns the name of the function that gets the events, and the queue that it reads them from, if any."""
    if ":sqs:" not in target:
        return target.split(":")[-1], None
    [mapping] = functions.list_event_source_mappings(EventSourceArn=target)["EventSourceMappings"]
    return mapping["FunctionArn"].split(":")[6], target


def tap(rule, bus):
    described = {key: rule[key] for key in ("Arn", "EventPattern", "ScheduleExpression") if key in rule}
    place = {"Rule": rule["Name"], "EventBusName": bus}
    targets = events.list_targets_by_rule(**place)["Targets"]
    queue = sqs.create_queue(QueueName=f"tap-{rule['Name']}"[:80])["QueueUrl"]
    events.remove_targets(**place, Ids=[target["Id"] for target in targets])
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    events.put_targets(**place, Targets=[{"Id": "tap", "Arn": attributes["QueueArn"]}])
    function, source = reader(targets[0]["Arn"])
    return described | {"function": function, "source": source, "queue": queue}


buses = [*physical("AWS::Events::EventBus").values(), "default"] if tapped else []
print(
    json.dumps(
        {
            "functions": {name: function(name) for name in physical("AWS::Lambda::Function").values()},
            "rules": [
                tap(rule, bus)
                for bus in buses
                for rule in events.list_rules(EventBusName=bus)["Rules"]
            ],
            "tables": physical("AWS::DynamoDB::Table"),
            "queues": physical("AWS::SQS::Queue"),
        }
    )
)
