"""A person with boto3 against `cargo lab serve --json`: its one line comes in on stdin, and every key of it is used."""

import base64
import json
import ssl
import sys
import time
import urllib.parse
import urllib.request

import boto3

lab = json.loads(sys.stdin.readline())
assert list(lab) == ["aws_endpoint", "account", "regions", "prism_centrals", "move", "state_machines", "control"], lab
assert lab["regions"] == ["ap-northeast-1", "ap-northeast-3"], lab["regions"]
assert sorted(lab["state_machines"]) == lab["regions"], lab["state_machines"]


def client(service, region):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=lab["aws_endpoint"],
        aws_access_key_id=lab["account"],
        aws_secret_access_key="lab",
    )


def ask(url, **options):
    context = ssl.create_default_context(cafile=options.pop("ca_file", None))
    context.check_hostname = False
    with urllib.request.urlopen(urllib.request.Request(url, **options), context=context) as answer:
        return json.load(answer)


for region in lab["regions"]:
    machines = lab["state_machines"][region]
    assert sorted(machines) == ["capture", "cutover", "drill", "failover", "recheck", "reprotect"], machines
    listed = client("stepfunctions", region).list_state_machines()["stateMachines"]
    assert {one["stateMachineArn"] for one in listed} == set(machines.values()), listed
    assert client("ec2", region).describe_transit_gateways()["TransitGateways"], region
assert client("sts", "ap-northeast-3").get_caller_identity()["Account"] == lab["account"]

steps = client("stepfunctions", "ap-northeast-1")
execution = steps.start_execution(
    stateMachineArn=lab["state_machines"]["ap-northeast-1"]["capture"], input=json.dumps({"wave": "wave-1"})
)["executionArn"]
limit = time.monotonic() + 120
while (ended := steps.describe_execution(executionArn=execution))["status"] == "RUNNING":
    assert time.monotonic() < limit, ended
    time.sleep(0.1)
assert ended["status"] == "SUCCEEDED", ended
print(json.loads(ended["output"])["summary"])

for name, prism in lab["prism_centrals"].items():
    assert sorted(prism) == ["ca_file", "password", "url", "username"], prism
    login = base64.b64encode(f"{prism['username']}:{prism['password']}".encode()).decode()
    subnets = ask(
        f"{prism['url']}/api/networking/v4.1/config/subnets",
        headers={"Authorization": f"Basic {login}"},
        ca_file=prism["ca_file"],
    )
    assert any(subnet["name"] == "app" for subnet in subnets["data"]), (name, subnets)
for name, move in lab["move"].items():
    assert sorted(move) == ["ca_file", "password", "url", "username"], move
    form = {"grantType": "PASSWORD", "username": move["username"], "password": move["password"]}
    token = ask(f"{move['url']}/move/v2/token", data=urllib.parse.urlencode(form).encode(), ca_file=move["ca_file"])
    assert token["AccessToken"], (name, token)

probe = {"from": "onprem-osaka", "to": "172.30.1.34", "count": 1}
answer = ask(
    f"{lab['control']}/probes", data=json.dumps(probe).encode(), headers={"Content-Type": "application/json"}
)
assert answer["answered_by"], answer
calls = ask(f"{lab['control']}/log?since=0")
assert any(call["function"] == "holdfast-capture" for call in calls), calls[-1]
print("all held")
