"""boto3 against the simulated EC2 and STS: accepted where AWS accepts, refused where AWS refuses."""

from judging import ACCOUNT, OSAKA, TOKYO, attached, client, gateway, refused, settle, states, tags, vpc


def machines(ec2):
    vpc_id, (app, other) = vpc(ec2, "172.30.0.0/16", "172.30.1.0/24", "172.30.9.0/24")
    assert ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"][0]["AvailableIpAddressCount"] == 251
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=vpc_id, CidrBlock="172.30.1.128/25")
    refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=vpc_id, CidrBlock="10.0.0.0/24")
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=["vpc-0123456789abcdef0"])
    refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc_id)

    run = ec2.run_instances(
        ImageId="resolve:ssm:/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base",
        InstanceType="m5.large",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": app, "PrivateIpAddress": "172.30.1.34"}],
        TagSpecifications=tags("instance", "web-1"),
    )["Instances"][0]
    instance = run["InstanceId"]
    assert run["State"]["Name"] == "pending" and run["Platform"] == "windows" and run["PrivateIpAddress"] == "172.30.1.34"
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0})
    refused(
        "InvalidIPAddress.InUse", ec2.run_instances, ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=app,
        PrivateIpAddress="172.30.1.34",
    )

    eni = ec2.create_network_interface(SubnetId=other, Description="second")["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)
    refused("InvalidNetworkInterface.InUse", ec2.delete_network_interface, NetworkInterfaceId=eni)
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["172.30.9.77"])
    seen = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["web-*"]}])["Reservations"][0]["Instances"][0]
    assert [it["Attachment"]["DeviceIndex"] for it in seen["NetworkInterfaces"]] == [0, 1]
    assert [it["PrivateIpAddress"] for it in seen["NetworkInterfaces"][1]["PrivateIpAddresses"]][1] == "172.30.9.77"
    spare = ec2.create_network_interface(SubnetId=other)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.delete_network_interface(NetworkInterfaceId=spare)
    refused("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interfaces, NetworkInterfaceIds=[spare])

    ec2.create_tags(Resources=[instance], Tags=[{"Key": "wave", "Value": "wave-1"}])
    described = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    assert {it["Key"]: it["Value"] for it in described} == {"Name": "web-1", "wave": "wave-1"}
    ec2.delete_tags(Resources=[instance], Tags=[{"Key": "wave"}])
    assert not ec2.describe_instances(Filters=[{"Name": "tag:wave", "Values": ["*"]}])["Reservations"]

    change = ec2.stop_instances(InstanceIds=[instance])["StoppingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0})
    assert not ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"]
    ec2.start_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0})
    assert ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"][0]["InstanceState"]["Name"] == "running"
    message, status = refused("DryRunOperation", ec2.stop_instances, InstanceIds=[instance], DryRun=True)
    assert status == 412 and "DryRun flag is set" in message
    refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"])
    refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["web-1"])
    refused("InvalidParameterValue", ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["blue"]}])
    ec2.terminate_instances(InstanceIds=[instance])
    refused("IncorrectInstanceState", ec2.start_instances, InstanceIds=[instance])
    return vpc_id, app, other


def paging(ec2, subnet):
    ec2.run_instances(ImageId="ami-1", MinCount=7, MaxCount=7, SubnetId=subnet, TagSpecifications=tags("instance", "herd"))
    herd = [{"Name": "tag:Name", "Values": ["herd"]}]
    pages = list(ec2.get_paginator("describe_instances").paginate(Filters=herd, PaginationConfig={"PageSize": 5}))
    counts = [sum(len(it["Instances"]) for it in page["Reservations"]) for page in pages]
    assert counts == [5, 2], counts
    refused("InvalidParameterValue", ec2.describe_instances, MaxResults=4)
    refused("InvalidNextToken", ec2.describe_instances, MaxResults=5, NextToken="nonsense")


def vpc_routes(ec2, vpc_id, subnet, eni_subnet, tgw):
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    refused("Resource.AlreadyAssociated", ec2.associate_route_table, RouteTableId=table, SubnetId=subnet)
    eni = ec2.create_network_interface(SubnetId=eni_subnet)["NetworkInterface"]["NetworkInterfaceId"]
    to_tgw = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": tgw}
    ec2.create_route(**to_tgw)
    refused("RouteAlreadyExists", ec2.create_route, **to_tgw)
    to_eni = dict(to_tgw, NetworkInterfaceId=eni)
    del to_eni["TransitGatewayId"]
    refused("RouteAlreadyExists", ec2.create_route, **to_eni)
    ec2.replace_route(**to_eni)
    ec2.replace_route(**to_tgw)
    refused("InvalidParameterValue", ec2.replace_route, **dict(to_tgw, DestinationCidrBlock="10.0.0.0/8"))
    refused("InvalidRoute.NotFound", ec2.delete_route, RouteTableId=table, DestinationCidrBlock="10.0.0.0/8")
    refused("InvalidParameterValue", ec2.delete_route, RouteTableId=table, DestinationCidrBlock="172.30.0.0/16")
    refused("InvalidParameterValue", ec2.replace_route, **dict(to_tgw, DestinationCidrBlock="172.30.0.0/16"))
    # More specific than `local`: one whole subnet, and to an interface only.
    refused("InvalidParameterValue", ec2.create_route, **dict(to_tgw, DestinationCidrBlock="172.30.1.0/24"))
    refused("InvalidParameterValue", ec2.create_route, **dict(to_eni, DestinationCidrBlock="172.30.1.0/25"))
    ec2.create_route(**dict(to_eni, DestinationCidrBlock="172.30.1.0/24"))
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    targets = {it["DestinationCidrBlock"]: it.get("TransitGatewayId") or it.get("NetworkInterfaceId") or it["GatewayId"] for it in routes}
    assert targets == {"0.0.0.0/0": tgw, "172.30.0.0/16": "local", "172.30.1.0/24": eni}, targets
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert {it["DestinationCidrBlock"]: it["State"] for it in routes}["172.30.1.0/24"] == "blackhole"
    refused("InvalidRouteTableID.NotFound", ec2.describe_route_tables, RouteTableIds=["rtb-0123456789abcdef0"])


def search(ec2, table, **filters):
    wanted = [{"Name": name.replace("__", ".").replace("_", "-"), "Values": values} for name, values in filters.items()]
    found = ec2.search_transit_gateway_routes(TransitGatewayRouteTableId=table, Filters=wanted)
    assert found["AdditionalRoutesAvailable"] is False
    return {it["DestinationCidrBlock"]: (it["Type"], it["State"], [a["TransitGatewayAttachmentId"] for a in it.get("TransitGatewayAttachments", [])]) for it in found["Routes"]}


def tgw_routes(tokyo, osaka, ec2_side, vpc_id, subnet, tgw, table):
    nc2_vpc, (nc2_subnet,) = vpc(tokyo, "10.10.0.0/16", "10.10.1.0/24")
    nc2 = attached(tokyo, tgw, nc2_vpc, nc2_subnet)
    route = {"TransitGatewayRouteTableId": table, "DestinationCidrBlock": "172.30.1.0/24", "TransitGatewayAttachmentId": nc2}
    refused("IncorrectState", tokyo.create_transit_gateway_route, **route)
    settle(lambda: states(tokyo, nc2))
    refused("DuplicateTransitGatewayAttachment", tokyo.create_transit_gateway_vpc_attachment, TransitGatewayId=tgw, VpcId=vpc_id, SubnetIds=[subnet])

    for attachment in (ec2_side, nc2):
        tokyo.associate_transit_gateway_route_table(TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment)
        tokyo.enable_transit_gateway_route_table_propagation(TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=attachment)
    refused("Resource.AlreadyAssociated", tokyo.associate_transit_gateway_route_table, TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=nc2)
    refused("TransitGatewayRouteTablePropagation.Duplicate", tokyo.enable_transit_gateway_route_table_propagation, TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=nc2)
    settle(lambda: [it["State"] for it in tokyo.get_transit_gateway_route_table_associations(TransitGatewayRouteTableId=table)["Associations"]])
    settle(lambda: [it["State"] for it in tokyo.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=table)["TransitGatewayRouteTablePropagations"]])

    refused("InvalidRoute.NotFound", tokyo.replace_transit_gateway_route, **route)
    refused("InvalidRoute.NotFound", tokyo.delete_transit_gateway_route, TransitGatewayRouteTableId=table, DestinationCidrBlock="172.30.0.0/16")
    refused("DryRunOperation", tokyo.create_transit_gateway_route, DryRun=True, **route)
    made = tokyo.create_transit_gateway_route(**route)["Route"]
    assert (made["Type"], made["State"]) == ("static", "pending"), made
    message, _ = refused("RouteAlreadyExists", tokyo.create_transit_gateway_route, **route)
    assert message == f"Route 172.30.1.0/24 already exists in Transit Gateway Route Table {table}", message
    settle(lambda: [it[1] for it in search(tokyo, table, type=["static"]).values()])
    tokyo.replace_transit_gateway_route(**dict(route, TransitGatewayAttachmentId=ec2_side))
    settle(lambda: [it[1] for it in search(tokyo, table, type=["static"]).values()])
    assert search(tokyo, table, route_search__exact_match=["172.30.1.0/24"]) == {"172.30.1.0/24": ("static", "active", [ec2_side])}

    # A static route hides the propagated one of the same prefix; when it goes, that one serves again.
    tokyo.create_transit_gateway_route(**dict(route, DestinationCidrBlock="172.30.0.0/16"))
    settle(lambda: [it[1] for it in search(tokyo, table, type=["static"]).values()])
    assert search(tokyo, table, route_search__exact_match=["172.30.0.0/16"])["172.30.0.0/16"] == ("static", "active", [nc2])
    tokyo.delete_transit_gateway_route(TransitGatewayRouteTableId=table, DestinationCidrBlock="172.30.0.0/16")
    assert search(tokyo, table, route_search__exact_match=["172.30.0.0/16"])["172.30.0.0/16"] == ("propagated", "active", [ec2_side])

    blackhole = {"TransitGatewayRouteTableId": table, "DestinationCidrBlock": "10.99.0.0/16", "Blackhole": True}
    assert tokyo.create_transit_gateway_route(**blackhole)["Route"]["State"] == "blackhole"
    refused("InvalidParameterCombination", tokyo.replace_transit_gateway_route, TransitGatewayAttachmentId=nc2, **blackhole)
    refused("MissingParameter", tokyo.search_transit_gateway_routes, TransitGatewayRouteTableId=table, Filters=[])
    refused("InvalidParameterValue", tokyo.search_transit_gateway_routes, TransitGatewayRouteTableId=table, Filters=[{"Name": "colour", "Values": ["blue"]}])
    assert set(search(tokyo, table, state=["blackhole"])) == {"10.99.0.0/16"}
    assert set(search(tokyo, table, route_search__longest_prefix_match=["172.30.1.34/32"])) == {"172.30.1.0/24"}
    assert set(search(tokyo, table, route_search__supernet_of_match=["172.30.1.0/24"])) == {"172.30.0.0/16", "172.30.1.0/24"}
    assert set(search(tokyo, table, route_search__subnet_of_match=["172.30.0.0/15"])) == {"172.30.0.0/16", "172.30.1.0/24"}
    assert set(search(tokyo, table, attachment__resource_id=[nc2_vpc])) == {"10.10.0.0/16"}
    assert set(search(tokyo, table, attachment__resource_type=["vpc"], type=["propagated"])) == {"10.10.0.0/16", "172.30.0.0/16"}

    ids = {"TransitGatewayRouteTableId": "tgw-rtb-0123456789abcdef0", "DestinationCidrBlock": "10.0.0.0/8"}
    refused("InvalidRouteTableID.NotFound", tokyo.delete_transit_gateway_route, **ids)
    refused("InvalidTransitGatewayAttachmentID.NotFound", tokyo.create_transit_gateway_route, **dict(route, TransitGatewayAttachmentId="tgw-attach-0123456789abcdef0"))
    refused("InvalidRouteTableID.NotFound", osaka.search_transit_gateway_routes, TransitGatewayRouteTableId=table, Filters=[{"Name": "type", "Values": ["static"]}])
    stranger = client("ec2", TOKYO, "999988887777")
    refused("InvalidRouteTableID.NotFound", stranger.search_transit_gateway_routes, TransitGatewayRouteTableId=table, Filters=[{"Name": "type", "Values": ["static"]}])
    assert not stranger.describe_transit_gateways()["TransitGateways"]
    refused("InvalidParameterValue", tokyo.create_transit_gateway_route, **dict(route, DestinationCidrBlock="10.0.0.1/8"))

    # A static route whose attachment goes turns into a blackhole and stays so.
    tokyo.create_transit_gateway_route(**dict(route, DestinationCidrBlock="10.55.0.0/16"))
    tokyo.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=nc2)
    assert search(tokyo, table, route_search__exact_match=["10.55.0.0/16"])["10.55.0.0/16"][1] == "blackhole"
    assert "10.10.0.0/16" not in search(tokyo, table, type=["propagated"])


def peering(tokyo, osaka, tgw, table, far_tgw, far_table):
    made = tokyo.create_transit_gateway_peering_attachment(TransitGatewayId=tgw, PeerTransitGatewayId=far_tgw, PeerAccountId=ACCOUNT, PeerRegion=OSAKA)
    peer = made["TransitGatewayPeeringAttachment"]["TransitGatewayAttachmentId"]
    route = {"TransitGatewayRouteTableId": table, "DestinationCidrBlock": "10.20.0.0/16", "TransitGatewayAttachmentId": peer}
    refused("IncorrectState", tokyo.create_transit_gateway_route, **route)
    refused("InvalidTransitGatewayAttachmentID.NotFound", tokyo.accept_transit_gateway_peering_attachment, TransitGatewayAttachmentId=peer)
    osaka.accept_transit_gateway_peering_attachment(TransitGatewayAttachmentId=peer)
    settle(lambda: [it["State"] for it in tokyo.describe_transit_gateway_peering_attachments(TransitGatewayAttachmentIds=[peer])["TransitGatewayPeeringAttachments"]])
    refused("InvalidParameterValue", tokyo.enable_transit_gateway_route_table_propagation, TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=peer)
    for side, side_table in ((tokyo, table), (osaka, far_table)):
        side.associate_transit_gateway_route_table(TransitGatewayRouteTableId=side_table, TransitGatewayAttachmentId=peer)
    tokyo.create_transit_gateway_route(**route)
    seen = [it for side in (tokyo, osaka) for it in side.describe_transit_gateway_attachments(TransitGatewayAttachmentIds=[peer])["TransitGatewayAttachments"]]
    assert [(it["TransitGatewayId"], it["ResourceType"], it["ResourceId"]) for it in seen] == [(tgw, "peering", far_tgw), (far_tgw, "peering", tgw)]
    assert [it["Association"]["TransitGatewayRouteTableId"] for it in seen] == [table, far_table]


def pages_of_routes(ec2, table):
    """Pages of 20: more than 50 calls of `CreateTransitGatewayRoute` would empty the token bucket."""
    for n in range(30):
        ec2.create_transit_gateway_route(TransitGatewayRouteTableId=table, DestinationCidrBlock=f"10.200.{n}.0/24", Blackhole=True)
    wanted = {"TransitGatewayRouteTableId": table, "Filters": [{"Name": "route-search.subnet-of-match", "Values": ["10.200.0.0/16"]}], "MaxResults": 20}
    first = ec2.search_transit_gateway_routes(**wanted)
    assert first["AdditionalRoutesAvailable"] and len(first["Routes"]) == 20
    second = ec2.search_transit_gateway_routes(NextToken=first["NextToken"], **wanted)
    assert not second["AdditionalRoutesAvailable"] and len(second["Routes"]) == 10
    assert len({it["DestinationCidrBlock"] for page in (first, second) for it in page["Routes"]}) == 30


def tidy(ec2):
    """What was built can be taken down, from the top; what is in use cannot."""
    vpc_id, (one, two) = vpc(ec2, "10.66.0.0/16", "10.66.1.0/24", "10.66.2.0/24")
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=one)["AssociationId"]
    refused("DependencyViolation", ec2.delete_route_table, RouteTableId=table)
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)

    started = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=one, ClientToken="once")["Instances"][0]["InstanceId"]
    again = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=one, ClientToken="once")["Instances"][0]["InstanceId"]
    assert started == again
    ec2.get_waiter("instance_running").wait(InstanceIds=[started], WaiterConfig={"Delay": 0})
    eni = ec2.create_network_interface(SubnetId=two, PrivateIpAddresses=[{"PrivateIpAddress": "10.66.2.10", "Primary": False}, {"PrivateIpAddress": "10.66.2.11", "Primary": False}])["NetworkInterface"]["NetworkInterfaceId"]
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=started, DeviceIndex=1)["AttachmentId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.66.2.10"])
    seen = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]
    assert not seen["SourceDestCheck"] and [it["PrivateIpAddress"] for it in seen["PrivateIpAddresses"] if not it["Primary"]] == ["10.66.2.11"]
    ec2.detach_network_interface(AttachmentId=attachment)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=one)
    ec2.terminate_instances(InstanceIds=[started])

    tgw, table = gateway(ec2)
    attachment = attached(ec2, tgw, vpc_id, one)
    settle(lambda: states(ec2, attachment))
    refused("IncorrectState", ec2.delete_transit_gateway, TransitGatewayId=tgw)
    ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
    ec2.delete_transit_gateway_route_table(TransitGatewayRouteTableId=table)
    ec2.delete_transit_gateway(TransitGatewayId=tgw)
    for subnet in (one, two):
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc_id)


def accounts():
    sts = client("sts", TOKYO)
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    role = {"RoleArn": "arn:aws:iam::444455556666:role/network", "RoleSessionName": "judge"}
    refused("AccessDenied", sts.assume_role, **role)
    refused("AccessDenied", sts.assume_role, ExternalId="eight", **role)
    refused("AccessDenied", sts.assume_role, ExternalId="seven", **dict(role, RoleArn="arn:aws:iam::444455556666:role/none"))
    given = sts.assume_role(ExternalId="seven", **role)["Credentials"]
    there = client("sts", TOKYO, given["AccessKeyId"], aws_session_token=given["SessionToken"]).get_caller_identity()
    assert there["Account"] == "444455556666" and there["Arn"].endswith("assumed-role/network/judge"), there


def main():
    tokyo, osaka = client("ec2", TOKYO), client("ec2", OSAKA)
    accounts()
    assert {TOKYO, OSAKA} <= {it["RegionName"] for it in tokyo.describe_regions()["Regions"]}
    assert tokyo.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"] == "ap-northeast-1a"
    refused("InvalidAction", tokyo.describe_volumes)
    vpc_id, app, other = machines(tokyo)
    assert tokyo.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["SecurityGroups"][0]["GroupName"] == "default"
    assert tokyo.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["NetworkAcls"][0]["IsDefault"]
    paging(tokyo, app)
    (tgw, table), (far_tgw, far_table) = gateway(tokyo), gateway(osaka)
    ec2_side = attached(tokyo, tgw, vpc_id, app)
    settle(lambda: states(tokyo, ec2_side))
    vpc_routes(tokyo, vpc_id, app, other, tgw)
    tgw_routes(tokyo, osaka, ec2_side, vpc_id, app, tgw, table)
    peering(tokyo, osaka, tgw, table, far_tgw, far_table)
    pages_of_routes(osaka, far_table)
    tidy(tokyo)
    print("all held")


main()
