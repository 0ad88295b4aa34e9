"""boto3 against the simulated Run Command: accepted where AWS accepts, refused where AWS refuses."""

import json
import sys
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, CONTROL = sys.argv[1], sys.argv[2]
SCRIPTS = Path(__file__).parents[3] / "functions/lib/guest/scripts"
ACCOUNT = "111122223333"
TOKYO, OSAKA = "ap-northeast-1", "ap-northeast-3"
SITE = "mi-0123456789abcdef0"


def client(service, region):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="any",
        config=Config(retries={"max_attempts": 1}, parameter_validation=False),
    )


def refused(code, call, **parameters):
    """The call must be refused with this code."""
    try:
        answer = call(**parameters)
    except ClientError as error:
        seen = error.response["Error"]["Code"]
        assert seen == code, f"{call.__name__}: wanted {code}, got {seen}: {error}"
        return
    raise AssertionError(f"{call.__name__}{parameters} must be refused with {code}, got {answer}")


def script(name):
    return (SCRIPTS / name).read_text()


def end(ssm, command, instance):
    """Reads an invocation until it is over; a state moves on when it is seen."""
    for _ in range(10):
        try:
            seen = ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        except ssm.exceptions.InvocationDoesNotExist:
            continue
        if seen["Status"] not in ("Pending", "InProgress"):
            return seen
    raise AssertionError("does not end")


def machines(ssm):
    pages = ssm.get_paginator("describe_instance_information").paginate(PaginationConfig={"PageSize": 5})
    known = {it["InstanceId"]: it for page in pages for it in page["InstanceInformationList"]}
    site = known[SITE]
    assert site["ResourceType"] == "ManagedInstance" and site["PingStatus"] == "Online", site
    assert site["IPAddress"] == "192.168.10.10", site
    one = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [SITE, "i-00000000000000000"]}])
    assert [it["InstanceId"] for it in one["InstanceInformationList"]] == [SITE]
    moved = ssm.describe_instance_information(Filters=[{"Key": "tag:wave", "Values": ["wave-1"]}])
    assert {it["PingStatus"] for it in moved["InstanceInformationList"]} == {"ConnectionLost"}, "moved away"
    refused("InvalidInstanceInformationFilterValue", ssm.describe_instance_information, Filters=[{"Key": "Colour", "Values": ["x"]}])
    refused("ValidationException", ssm.describe_instance_information, MaxResults=3)
    refused("InvalidNextToken", ssm.describe_instance_information, NextToken="x")


def launched(region):
    """Machines that a client makes are managed too."""
    ec2, ssm = client("ec2", region), client("ssm", region)
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24")["Subnet"]["SubnetId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "fleet", "Value": "many"}]}]
    run = ec2.run_instances(
        ImageId="ami-00000000000000000", MinCount=60, MaxCount=60, SubnetId=subnet, TagSpecifications=tags
    )
    ids = [it["InstanceId"] for it in run["Instances"]]
    pages = ssm.get_paginator("describe_instance_information").paginate(PaginationConfig={"PageSize": 50})
    known = {it["InstanceId"] for page in pages for it in page["InstanceInformationList"]}
    assert set(ids) <= known
    return ids


def commands(ssm, ids):
    send = lambda **more: ssm.send_command(
        DocumentName="AWS-RunShellScript", Parameters={"commands": [script("capture.sh")]}, **more
    )
    send.__name__ = "send_command"
    refused("ValidationException", send, InstanceIds=ids[:51])
    refused("InvalidInstanceId", send, InstanceIds=[ids[0], "i-00000000000000000"])
    refused("DuplicateInstanceId", send, InstanceIds=[ids[0], ids[0]])
    refused("InvalidParameters", send)
    refused("InvalidDocument", ssm.send_command, DocumentName="AWS-Nothing", InstanceIds=ids[:1], Parameters={"commands": ["id"]})
    refused("InvalidParameters", ssm.send_command, DocumentName="AWS-RunShellScript", InstanceIds=ids[:1])
    refused("InvocationDoesNotExist", ssm.get_command_invocation, CommandId="0" * 36, InstanceId=ids[0])

    command = send(InstanceIds=ids[:50], TimeoutSeconds=30, Comment="all")["Command"]
    assert command["TargetCount"] == 50 and command["Status"] == "Pending", command
    said = json.loads(end(ssm, command["CommandId"], ids[0])["StandardOutputContent"])
    assert said["nics"][0]["addresses"][0]["address"].startswith("10.77.1."), said
    refused("InvalidPluginName", ssm.get_command_invocation, CommandId=command["CommandId"], InstanceId=ids[0], PluginName="x")

    tagged = send(Targets=[{"Key": "tag:fleet", "Values": ["many"]}])["Command"]
    assert tagged["TargetCount"] == 60, tagged
    seen = []
    for _ in range(6):
        pages = ssm.get_paginator("list_command_invocations").paginate(
            CommandId=tagged["CommandId"], Details=True, PaginationConfig={"PageSize": 25}
        )
        seen = [it for page in pages for it in page["CommandInvocations"]]
        if seen and all(it["Status"] == "Success" for it in seen):
            break
    assert len(seen) == 60 and seen[0]["CommandPlugins"][0]["Output"].startswith("{"), seen[:1]
    listed = ssm.list_commands(CommandId=tagged["CommandId"])["Commands"]
    assert [it["CompletedCount"] for it in listed] == [60], listed

    stopped = send(InstanceIds=ids[:1])["Command"]["CommandId"]
    ssm.cancel_command(CommandId=stopped)
    assert end(ssm, stopped, ids[0])["Status"] == "Cancelled"
    refused("InvalidCommandId", ssm.cancel_command, CommandId="0" * 36)

    other = ssm.send_command(
        DocumentName="AWS-RunShellScript", InstanceIds=ids[:1], Parameters={"commands": ["echo hello"]}
    )["Command"]["CommandId"]
    failed = end(ssm, other, ids[0])
    assert failed["Status"] == "Failed" and failed["StandardErrorContent"] == "unknown script", failed


def probes(ssm):
    settings = "HOLDFAST_TARGETS='172.30.1.34'; HOLDFAST_COUNT=3; HOLDFAST_PORT="
    command = ssm.send_command(
        DocumentName="AWS-RunShellScript",
        InstanceIds=[SITE],
        Parameters={"commands": [settings, script("probe.sh")], "executionTimeout": ["60"]},
    )["Command"]["CommandId"]
    said = json.loads(end(ssm, command, SITE)["StandardOutputContent"])
    assert said["results"][0]["received"] == 3, said

    windows = client("ssm", OSAKA)
    desk = windows.describe_instance_information()["InstanceInformationList"][0]
    assert desk["PlatformType"] == "Windows", desk
    settings = "$HoldfastTargets='172.30.1.34'; $HoldfastCount=2; $HoldfastPort=443"
    command = windows.send_command(
        DocumentName="AWS-RunPowerShellScript",
        InstanceIds=[desk["InstanceId"]],
        Parameters={"commands": [settings, script("probe.ps1")]},
    )["Command"]["CommandId"]
    said = json.loads(end(windows, command, desk["InstanceId"])["StandardOutputContent"])
    assert said["results"][0] == {
        "target": "172.30.1.34",
        "sent": 2,
        "received": 2,
        "duplicates": None,
        "error": None,
        "tcp": {"port": 443, "connected": True},
    }, said

    body = json.dumps({"from": "site-osaka", "to": "172.30.1.34", "count": 2}).encode()
    request = urllib.request.Request(f"{CONTROL}/probes", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        report = json.load(reply)
    assert [it["guest"] for it in report["answered_by"]] == ["web-1@pc-tokyo"], report


TOKYO_SSM = client("ssm", TOKYO)
machines(TOKYO_SSM)
commands(TOKYO_SSM, launched(TOKYO))
probes(TOKYO_SSM)
print("all held")
