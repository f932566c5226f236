"""Emits to an event bus of moto, an independent implementation of EventBridge, and checks what arrives in a queue
behind a rule.

    python3 -m venv venv && venv/bin/pip install 'moto[server]' && venv/bin/python eg-sdk/tests/event_bus_on_moto.py
"""

import json
import os
import subprocess
import sys

import boto3
from moto.server import ThreadedMotoServer

TEST = "event_bus::the_bus_of_the_environment_gets_the_events"
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "EVENT_BUS": "shop",
}


def main() -> None:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=f"http://{host}:{port}")
        events, sqs = (boto3.client(name, region_name=ENVIRONMENT["AWS_REGION"]) for name in ("events", "sqs"))
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.create_event_bus(Name="shop")
        pattern = {"source": ["/shop"], "detail-type": ["order.paid"], "detail": {"order": [{"exists": True}]}}
        events.put_rule(Name="paid", EventBusName="shop", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="paid", EventBusName="shop", Targets=[{"Id": "queue", "Arn": arn}])

        cargo = ["cargo", "test", "-q", "-p", "eg-sdk", "--all-features", "--test", "it", "--", "--ignored", "--exact", TEST]
        subprocess.run(cargo, check=True)

        received = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            received += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        orders = {envelope["detail"]["order"]: envelope["detail"]["ce"]["id"] for envelope in received}
        if orders != {order: str(order) for order in range(25)}:
            sys.exit(f"25 events were emitted, these arrived: {orders}")
        print("25 events emitted, 25 arrived behind the rule")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
