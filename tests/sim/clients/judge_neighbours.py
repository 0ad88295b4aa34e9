"""boto3 against what is around a moved machine: interfaces of services, target groups, Direct Connect, quotas."""

from judging import ACCOUNT, TOKYO, OSAKA, attached, client, refused, settle, states, vpc

NETWORK = "222233334444"


def interfaces(ec2):
    found = ec2.describe_network_interfaces(Filters=[{"Name": "requester-managed", "Values": ["true"]}])["NetworkInterfaces"]
    told = {it["Description"].split("/")[0].split("-")[0].strip(): it for it in found}
    elb, endpoint, rds = told["ELB app"], told["VPC Endpoint Interface vpce"], told["RDSNetworkInterface"]
    assert (elb["InterfaceType"], elb["RequesterId"], elb["Status"]) == ("interface", "amazon-elb", "in-use"), elb
    assert elb["Attachment"]["InstanceOwnerId"] == "amazon-elb" and "InstanceId" not in elb["Attachment"]
    assert elb["Description"].startswith("ELB app/front/") and elb["PrivateIpAddress"] == "172.30.9.20"
    assert endpoint["InterfaceType"] == "vpc_endpoint" and rds["RequesterId"] == "amazon-rds"
    assert [it["NetworkInterfaceId"] for it in ec2.describe_network_interfaces(Filters=[{"Name": "interface-type", "Values": ["vpc_endpoint"]}])["NetworkInterfaces"]] == [endpoint["NetworkInterfaceId"]]
    refused("InvalidParameterValue", ec2.delete_network_interface, NetworkInterfaceId=elb["NetworkInterfaceId"])

    # An attachment of a transit gateway has an interface in each of its subnets, from the top of the subnet.
    tgw = told["Network Interface for Transit Gateway Attachment tgw"]
    assert (tgw["InterfaceType"], tgw["PrivateIpAddress"]) == ("transit_gateway", "172.30.9.254"), tgw
    assert tgw["Description"].endswith("tgw-attach-0ec2")
    vpc_id, (subnet,) = vpc(ec2, "10.50.0.0/16", "10.50.1.0/28")
    gateway = ec2.describe_transit_gateways()["TransitGateways"][0]["TransitGatewayId"]
    attachment = attached(ec2, gateway, vpc_id, subnet)
    settle(lambda: states(ec2, attachment))
    there = lambda: ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])["NetworkInterfaces"]
    assert [it["PrivateIpAddress"] for it in there()] == ["10.50.1.14"]
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet)
    ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
    assert not there()


def auto_scaling(ec2):
    found = ec2.describe_instances(Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": ["web"]}])["Reservations"]
    instance = found[0]["Instances"][0]
    assert {it["Key"]: it["Value"] for it in instance["Tags"]} == {"Name": "web-1", "aws:autoscaling:groupName": "web"}
    tag = [{"Key": "aws:autoscaling:groupName", "Value": "other"}]
    refused("InvalidParameterValue", ec2.create_tags, Resources=[instance["InstanceId"]], Tags=tag)
    refused("InvalidParameterValue", ec2.delete_tags, Resources=[instance["InstanceId"]], Tags=tag)
    assert ec2.describe_tags(Filters=[{"Name": "key", "Values": ["aws:autoscaling:groupName"]}])["Tags"][0]["Value"] == "web"
    # A table that AWS FIS cloned is known by its tag.
    tables = ec2.describe_route_tables(Filters=[{"Name": "tag:managedByFIS", "Values": ["true"]}])["RouteTables"]
    assert [it["Tags"] for it in tables] == [[{"Key": "Name", "Value": "clone"}, {"Key": "managedByFIS", "Value": "true"}]]


def target_groups(elb, ec2):
    groups = {it["TargetGroupName"]: it for it in elb.describe_target_groups()["TargetGroups"]}
    assert (groups["by-address"]["TargetType"], groups["by-instance"]["TargetType"]) == ("ip", "instance")
    health = elb.describe_target_health(TargetGroupArn=groups["by-address"]["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [(it["Target"]["Id"], it["TargetHealth"]["State"]) for it in health] == [("172.30.1.34", "healthy"), ("172.30.1.99", "healthy")]
    instance = elb.describe_target_health(TargetGroupArn=groups["by-instance"]["TargetGroupArn"])["TargetHealthDescriptions"][0]["Target"]["Id"]
    ec2.stop_instances(InstanceIds=[instance])
    health = elb.describe_target_health(TargetGroupArn=groups["by-address"]["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [it["TargetHealth"]["State"] for it in health] == ["unhealthy", "healthy"], health
    refused("TargetGroupNotFound", elb.describe_target_groups, Names=["none"])
    refused("TargetGroupNotFound", elb.describe_target_health, TargetGroupArn="arn:aws:elasticloadbalancing:::targetgroup/none/0")
    assert not client("elbv2", OSAKA).describe_target_groups()["TargetGroups"]


def direct_connect():
    dx = client("directconnect", TOKYO)
    gateway = dx.describe_direct_connect_gateways()["directConnectGateways"][0]
    assert (gateway["directConnectGatewayName"], gateway["amazonSideAsn"], gateway["ownerAccount"]) == ("dx", 64600, ACCOUNT), gateway
    named = {"directConnectGatewayId": gateway["directConnectGatewayId"]}
    vifs = dx.describe_direct_connect_gateway_attachments(**named)["directConnectGatewayAttachments"]
    assert [(it["attachmentType"], it["virtualInterfaceRegion"]) for it in vifs] == [("TransitVirtualInterface", TOKYO)]
    refused("DirectConnectClientException", dx.describe_direct_connect_gateway_attachments)
    refused("DirectConnectClientException", dx.describe_direct_connect_gateway_associations)
    refused("DirectConnectClientException", dx.describe_direct_connect_gateways, directConnectGatewayId="00000000-0000-0000-0000-000000000000")
    read = lambda **by: dx.describe_direct_connect_gateway_associations(**by)["directConnectGatewayAssociations"]
    both = {it["associatedGateway"]["region"]: it for it in read(**named)}
    assert set(both) == {TOKYO, OSAKA} and both[TOKYO]["associatedGateway"]["type"] == "transitGateway"
    cidrs = lambda it: [entry["cidr"] for entry in it["allowedPrefixesToDirectConnectGateway"]]
    assert (cidrs(both[TOKYO]), cidrs(both[OSAKA])) == (["172.30.0.0/16"], []), both
    assert [it["associationId"] for it in read(associatedGatewayId=both[OSAKA]["associatedGateway"]["id"])] == [both[OSAKA]["associationId"]]
    change = {"associationId": both[OSAKA]["associationId"], "addAllowedPrefixesToDirectConnectGateway": [{"cidr": "10.20.0.0/16"}]}
    refused("DirectConnectClientException", client("directconnect", TOKYO, NETWORK).update_direct_connect_gateway_association, **change)
    refused("DirectConnectClientException", dx.update_direct_connect_gateway_association, **dict(change, addAllowedPrefixesToDirectConnectGateway=[{"cidr": "172.30.1.0/24"}]))
    assert dx.update_direct_connect_gateway_association(**change)["directConnectGatewayAssociation"]["associationState"] == "updating"
    settle(lambda: ["available" if read(**named)[n]["associationState"] == "associated" else "updating" for n in (0, 1)])
    assert cidrs(read(associationId=change["associationId"])[0]) == ["10.20.0.0/16"]
    dx.update_direct_connect_gateway_association(associationId=change["associationId"], removeAllowedPrefixesToDirectConnectGateway=[{"cidr": "10.20.0.0/16"}])
    assert not client("directconnect", TOKYO, NETWORK).describe_direct_connect_gateways()["directConnectGateways"]
    pages = list(dx.get_paginator("describe_direct_connect_gateway_associations").paginate(PaginationConfig={"PageSize": 1}, **named))
    assert len(pages) == 2


def vpns(ec2):
    found = {it["Tags"][0]["Value"]: it for it in ec2.describe_vpn_connections()["VpnConnections"]}
    assert (found["bgp"]["Options"]["StaticRoutesOnly"], found["static"]["Options"]["StaticRoutesOnly"]) == (False, True), found
    assert found["bgp"]["VgwTelemetry"][0]["Status"] == "UP" and found["bgp"]["VgwTelemetry"][0]["AcceptedRouteCount"] == 1
    assert found["bgp"]["TransitGatewayId"] == ec2.describe_transit_gateways()["TransitGateways"][0]["TransitGatewayId"]
    refused("InvalidVpnConnectionID.NotFound", ec2.describe_vpn_connections, VpnConnectionIds=["vpn-0123456789abcdef0"])


def quotas():
    quota = client("service-quotas", TOKYO)
    read = lambda service, code: quota.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]
    table, gateway = read("vpc", "L-93826ACB"), read("ec2", "L-BCC1FB47")
    assert (table["QuotaName"], table["Value"], gateway["QuotaName"], gateway["Value"]) == ("Routes per route table", 500.0, "Routes per transit gateway", 10000.0)
    assert [it["QuotaCode"] for it in quota.list_service_quotas(ServiceCode="vpc")["Quotas"]] == ["L-93826ACB"]
    refused("NoSuchResourceException", quota.get_service_quota, ServiceCode="vpc", QuotaCode="L-00000000")


def main():
    ec2 = client("ec2", TOKYO)
    interfaces(ec2)
    auto_scaling(ec2)
    target_groups(client("elbv2", TOKYO), ec2)
    vpns(ec2)
    direct_connect()
    quotas()
    print("all held")


main()
