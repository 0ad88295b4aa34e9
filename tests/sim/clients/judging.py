"""What the judges share: clients of the simulated AWS, and how a refusal is checked."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
ACCOUNT = "111122223333"
TOKYO, OSAKA = "ap-northeast-1", "ap-northeast-3"


def client(service, region, key=ACCOUNT, **more):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id=key,
        aws_secret_access_key="any",
        config=Config(retries={"max_attempts": 1}),
        **more,
    )


def refused(code, call, **parameters):
    """The call must be refused with this code; returns the error's text and HTTP status."""
    try:
        answer = call(**parameters)
    except ClientError as error:
        seen = error.response["Error"]["Code"]
        assert seen == code, f"{call.__name__}: wanted {code}, got {seen}: {error}"
        return error.response["Error"]["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call.__name__}{parameters} must be refused with {code}, got {answer}")


def tags(resource_type, name):
    return [{"ResourceType": resource_type, "Tags": [{"Key": "Name", "Value": name}]}]


SETTLED = ("available", "associated", "enabled", "active", "blackhole", "deleted", "create-complete", "modify-complete")


def settle(read):
    """Reads until nothing is on its way any more; a state moves on when it is seen."""
    for _ in range(5):
        states = read()
        if all(state in SETTLED for state in states):
            return states
    raise AssertionError(f"does not settle: {states}")


def vpc(ec2, cidr, *subnets):
    vpc_id = ec2.create_vpc(CidrBlock=cidr, TagSpecifications=tags("vpc", cidr))["Vpc"]["VpcId"]
    return vpc_id, [ec2.create_subnet(VpcId=vpc_id, CidrBlock=it)["Subnet"]["SubnetId"] for it in subnets]


def gateway(ec2):
    made = ec2.create_transit_gateway(Options={"DefaultRouteTableAssociation": "disable", "DefaultRouteTablePropagation": "disable"})
    tgw = made["TransitGateway"]["TransitGatewayId"]
    settle(lambda: [it["State"] for it in ec2.describe_transit_gateways(TransitGatewayIds=[tgw])["TransitGateways"]])
    table = ec2.create_transit_gateway_route_table(TransitGatewayId=tgw)["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"]
    read = lambda: ec2.describe_transit_gateway_route_tables(TransitGatewayRouteTableIds=[table])["TransitGatewayRouteTables"]
    settle(lambda: [it["State"] for it in read()])
    return tgw, table


def attached(ec2, tgw, vpc_id, subnet):
    made = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=tgw, VpcId=vpc_id, SubnetIds=[subnet])
    return made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]


def states(ec2, attachment):
    found = ec2.describe_transit_gateway_attachments(TransitGatewayAttachmentIds=[attachment])
    return [it["State"] for it in found["TransitGatewayAttachments"]]
