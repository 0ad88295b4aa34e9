"""boto3 against VPC peering and VPC routes: accepted where AWS accepts, refused where AWS refuses."""

from judging import ACCOUNT, OSAKA, TOKYO, client, refused, settle, tags, vpc

OTHER = "222233334444"


def statuses(ec2, peering):
    return [it["Status"]["Code"] for it in ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering])["VpcPeeringConnections"]]


def routes(ec2, table):
    found = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    return {it.get("DestinationCidrBlock") or it["DestinationPrefixListId"]: it for it in found}


def peering(tokyo, osaka):
    near, (near_subnet,) = vpc(tokyo, "10.1.0.0/16", "10.1.1.0/24")
    far, _ = vpc(osaka, "10.3.0.0/16", "10.3.1.0/24")
    third, _ = vpc(tokyo, "10.4.0.0/16")
    made = tokyo.create_vpc_peering_connection(
        VpcId=near, PeerVpcId=far, PeerRegion=OSAKA, TagSpecifications=tags("vpc-peering-connection", "near-far")
    )["VpcPeeringConnection"]
    pcx = made["VpcPeeringConnectionId"]
    assert pcx.startswith("pcx-") and made["Status"]["Code"] == "pending-acceptance" and made["Tags"][0]["Value"] == "near-far"
    assert made["AccepterVpcInfo"]["Region"] == OSAKA and "CidrBlock" not in made["AccepterVpcInfo"] and made["ExpirationTime"]
    refused("VpcPeeringConnectionAlreadyExists", osaka.create_vpc_peering_connection, VpcId=far, PeerVpcId=near, PeerRegion=TOKYO)
    refused("OperationNotPermitted", tokyo.accept_vpc_peering_connection, VpcPeeringConnectionId=pcx)
    refused("InvalidVpcPeeringConnectionID.NotFound", tokyo.accept_vpc_peering_connection, VpcPeeringConnectionId="pcx-0123456789abcdef0")
    refused("InvalidVpcPeeringConnectionID.Malformed", tokyo.accept_vpc_peering_connection, VpcPeeringConnectionId="web-1")
    refused("InvalidVpcPeeringConnectionID.NotFound", client("ec2", OSAKA, OTHER).accept_vpc_peering_connection, VpcPeeringConnectionId=pcx)

    # A route to a connection that waits is taken and is a blackhole until it is active.
    table = tokyo.create_route_table(VpcId=near)["RouteTable"]["RouteTableId"]
    tokyo.associate_route_table(RouteTableId=table, SubnetId=near_subnet)
    route = {"RouteTableId": table, "DestinationCidrBlock": "10.3.0.0/16", "VpcPeeringConnectionId": pcx}
    tokyo.create_route(**route)
    refused("RouteAlreadyExists", tokyo.create_route, **route)
    assert routes(tokyo, table)["10.3.0.0/16"]["State"] == "blackhole"
    assert osaka.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)["VpcPeeringConnection"]["Status"]["Code"] == "provisioning"
    refused("InvalidStateTransition", osaka.accept_vpc_peering_connection, VpcPeeringConnectionId=pcx)
    assert statuses(tokyo, pcx) == ["provisioning"] and settle(lambda: statuses(osaka, pcx)) == ["active"]
    assert routes(tokyo, table)["10.3.0.0/16"]["State"] == "active"
    assert routes(tokyo, table)["10.3.0.0/16"]["VpcPeeringConnectionId"] == pcx
    seen = tokyo.describe_vpc_peering_connections(Filters=[{"Name": "accepter-vpc-info.cidr-block", "Values": ["10.3.0.0/16"]}])
    assert [it["VpcPeeringConnectionId"] for it in seen["VpcPeeringConnections"]] == [pcx]
    assert not tokyo.describe_vpc_peering_connections(Filters=[{"Name": "status-code", "Values": ["failed"]}])["VpcPeeringConnections"]

    other_table = tokyo.create_route_table(VpcId=third)["RouteTable"]["RouteTableId"]
    refused("InvalidParameterValue", tokyo.create_route, **dict(route, RouteTableId=other_table))
    refused("InvalidVpcPeeringConnectionID.NotFound", tokyo.create_route, **dict(route, DestinationCidrBlock="10.9.0.0/16", VpcPeeringConnectionId="pcx-0123456789abcdef0"))
    message, _ = refused("InvalidParameterValue", tokyo.create_route, **dict(route, DestinationCidrBlock="10.1.1.0/24"))
    assert message.startswith("Route target is not supported."), message

    # What is wrong at the far side shows as a state.
    for peer in ({"PeerVpcId": near}, {"PeerVpcId": "vpc-0123456789abcdef0"}, {"PeerVpcId": far, "PeerRegion": TOKYO}):
        state = tokyo.create_vpc_peering_connection(VpcId=third, **peer)["VpcPeeringConnection"]["Status"]["Code"]
        assert state == ("pending-acceptance" if peer["PeerVpcId"] == near else "failed"), (peer, state)
    twin, _ = vpc(osaka, "10.1.0.0/16")
    assert tokyo.create_vpc_peering_connection(VpcId=near, PeerVpcId=twin, PeerRegion=OSAKA)["VpcPeeringConnection"]["Status"]["Code"] == "failed"
    rejected = tokyo.describe_vpc_peering_connections(Filters=[{"Name": "requester-vpc-info.vpc-id", "Values": [third]}, {"Name": "status-code", "Values": ["pending-acceptance"]}])["VpcPeeringConnections"][0]["VpcPeeringConnectionId"]
    tokyo.reject_vpc_peering_connection(VpcPeeringConnectionId=rejected)
    assert statuses(tokyo, rejected) == ["rejected"]

    # Either side deletes; the route stays as a blackhole and can be led elsewhere.
    osaka.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    refused("InvalidStateTransition", tokyo.delete_vpc_peering_connection, VpcPeeringConnectionId=pcx)
    assert statuses(tokyo, pcx) == ["deleted"]
    assert routes(tokyo, table)["10.3.0.0/16"]["State"] == "blackhole"
    refused("InvalidVpcPeeringConnectionID.NotFound", tokyo.create_route, **dict(route, DestinationCidrBlock="10.9.0.0/16"))
    tokyo.delete_route(RouteTableId=table, DestinationCidrBlock="10.3.0.0/16")
    return table, near_subnet


def other_accounts(tokyo):
    near, _ = vpc(tokyo, "10.21.0.0/16")
    stranger = client("ec2", TOKYO, OTHER)
    far, _ = vpc(stranger, "10.22.0.0/16")
    refused("InvalidVpcID.NotFound", tokyo.create_vpc_peering_connection, VpcId=far, PeerVpcId=near)
    pcx = tokyo.create_vpc_peering_connection(VpcId=near, PeerVpcId=far, PeerOwnerId=OTHER)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    refused("OperationNotPermitted", tokyo.accept_vpc_peering_connection, VpcPeeringConnectionId=pcx)
    stranger.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    assert settle(lambda: statuses(stranger, pcx) + statuses(tokyo, pcx)) == ["active", "active"]


def local_and_quota(ec2, table, subnet):
    eni = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    to_eni = {"RouteTableId": table, "NetworkInterfaceId": eni}
    # An interface that no instance has forwards nothing.
    ec2.create_route(DestinationCidrBlock="10.99.0.0/16", **to_eni)
    assert routes(ec2, table)["10.99.0.0/16"]["State"] == "blackhole"
    # The local route may lead to an interface, and back.
    ec2.replace_route(DestinationCidrBlock="10.1.0.0/16", **to_eni)
    assert routes(ec2, table)["10.1.0.0/16"]["NetworkInterfaceId"] == eni
    ec2.replace_route(DestinationCidrBlock="10.1.0.0/16", RouteTableId=table, LocalTarget=True)
    assert routes(ec2, table)["10.1.0.0/16"]["GatewayId"] == "local"
    refused("InvalidParameterValue", ec2.replace_route, DestinationCidrBlock="10.99.0.0/16", RouteTableId=table, LocalTarget=True)
    refused("InvalidParameterValue", ec2.delete_route, DestinationCidrBlock="10.1.0.0/16", RouteTableId=table)
    refused("InvalidParameterCombination", ec2.create_route, DestinationCidrBlock="10.98.0.0/16", VpcPeeringConnectionId="pcx-1", **to_eni)
    refused("MissingParameter", ec2.create_route, DestinationCidrBlock="10.98.0.0/16", RouteTableId=table)


def main():
    tokyo, osaka = client("ec2", TOKYO), client("ec2", OSAKA)
    table, subnet = peering(tokyo, osaka)
    local_and_quota(tokyo, table, subnet)
    other_accounts(tokyo)
    print("all held")


main()
