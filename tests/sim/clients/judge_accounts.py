"""boto3 against several accounts: a transit gateway of a network account, shared with one account and not with another."""

from judging import ACCOUNT, TOKYO, client, refused, settle, states, vpc

NETWORK, STRANGER = "222233334444", "333344445555"


def assumed(key, **more):
    """The credentials of the network account's role, for a caller of account `key`."""
    role = {"RoleArn": f"arn:aws:iam::{NETWORK}:role/holdfast", "RoleSessionName": "judge"}
    return client("sts", TOKYO, key).assume_role(**{**role, **more})["Credentials"]


def roles():
    sts = client("sts", TOKYO)
    role = {"RoleArn": f"arn:aws:iam::{NETWORK}:role/holdfast", "RoleSessionName": "judge"}
    refused("AccessDenied", sts.assume_role, **role)
    refused("AccessDenied", sts.assume_role, ExternalId="wrong", **role)
    refused("AccessDenied", sts.assume_role, ExternalId="seven", **dict(role, RoleArn=f"arn:aws:iam::{NETWORK}:role/other"))
    message, status = refused("AccessDenied", client("sts", TOKYO, STRANGER).assume_role, ExternalId="seven", **role)
    assert status == 403 and "not authorized to perform: sts:AssumeRole" in message, message
    given = assumed(ACCOUNT, ExternalId="seven")
    session = client("sts", TOKYO, given["AccessKeyId"], aws_session_token=given["SessionToken"])
    assert session.get_caller_identity()["Account"] == NETWORK
    return client("ec2", TOKYO, given["AccessKeyId"], aws_session_token=given["SessionToken"])


def shared(network):
    """What the network account reaches by its role, what the account does that it shares with, what a stranger sees."""
    own, stranger = client("ec2", TOKYO), client("ec2", TOKYO, STRANGER)
    tgw = network.describe_transit_gateways()["TransitGateways"][0]["TransitGatewayId"]
    table = network.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"][0]["TransitGatewayRouteTableId"]
    assert [it["OwnerId"] for it in own.describe_transit_gateways(TransitGatewayIds=[tgw])["TransitGateways"]] == [NETWORK]
    refused("InvalidTransitGatewayID.NotFound", stranger.describe_transit_gateways, TransitGatewayIds=[tgw])
    refused("InvalidRouteTableID.NotFound", own.describe_transit_gateway_route_tables, TransitGatewayRouteTableIds=[table])
    refused("InvalidTransitGatewayID.NotFound", own.create_transit_gateway_route_table, TransitGatewayId=tgw)

    vpc_id, (subnet,) = vpc(own, "10.40.0.0/16", "10.40.1.0/24")
    attach = {"TransitGatewayId": tgw, "VpcId": vpc_id, "SubnetIds": [subnet]}
    refused("InvalidTransitGatewayID.NotFound", stranger.create_transit_gateway_vpc_attachment, **attach)
    refused("InvalidVpcID.NotFound", network.create_transit_gateway_vpc_attachment, **attach)
    made = own.create_transit_gateway_vpc_attachment(**attach)["TransitGatewayVpcAttachment"]
    attachment = made["TransitGatewayAttachmentId"]
    assert (made["State"], made["VpcOwnerId"]) == ("pendingAcceptance", ACCOUNT), made
    to = {"TransitGatewayRouteTableId": table, "DestinationCidrBlock": "10.40.0.0/16", "TransitGatewayAttachmentId": attachment}
    refused("IncorrectState", network.create_transit_gateway_route, **to)
    refused("InvalidTransitGatewayAttachmentID.NotFound", own.accept_transit_gateway_vpc_attachment, TransitGatewayAttachmentId=attachment)
    refused("InvalidTransitGatewayAttachmentID.NotFound", stranger.describe_transit_gateway_attachments, TransitGatewayAttachmentIds=[attachment])
    assert network.accept_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)["TransitGatewayVpcAttachment"]["State"] == "pending"
    assert settle(lambda: states(own, attachment)) == ["available"]
    refused("IncorrectState", network.accept_transit_gateway_vpc_attachment, TransitGatewayAttachmentId=attachment)

    # Both see the attachment, with who owns what; the routes are for the gateway's owner.
    for side in (own, network):
        seen = side.describe_transit_gateway_attachments(TransitGatewayAttachmentIds=[attachment])["TransitGatewayAttachments"][0]
        assert (seen["TransitGatewayOwnerId"], seen["ResourceOwnerId"], seen["ResourceId"]) == (NETWORK, ACCOUNT, vpc_id), seen
        assert [it["VpcId"] for it in side.describe_transit_gateway_vpc_attachments(TransitGatewayAttachmentIds=[attachment])["TransitGatewayVpcAttachments"]] == [vpc_id]
    refused("InvalidRouteTableID.NotFound", own.create_transit_gateway_route, **to)
    refused("InvalidRouteTableID.NotFound", own.search_transit_gateway_routes, TransitGatewayRouteTableId=table, Filters=[{"Name": "type", "Values": ["static"]}])
    refused("InvalidRouteTableID.NotFound", own.get_transit_gateway_prefix_list_references, TransitGatewayRouteTableId=table)
    assert network.create_transit_gateway_route(**to)["Route"]["State"] == "pending"

    # The VPC, its subnets and its tables are the other account's.
    refused("InvalidVpcID.NotFound", network.describe_vpcs, VpcIds=[vpc_id])
    refused("InvalidSubnetID.NotFound", network.describe_subnets, SubnetIds=[subnet])
    own_table = own.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    refused("InvalidRouteTableID.NotFound", network.create_route, RouteTableId=own_table, DestinationCidrBlock="0.0.0.0/0", TransitGatewayId=tgw)
    own.create_route(RouteTableId=own_table, DestinationCidrBlock="0.0.0.0/0", TransitGatewayId=tgw)
    refused("InvalidTransitGatewayAttachmentID.NotFound", network.modify_transit_gateway_vpc_attachment, TransitGatewayAttachmentId=attachment, AddSubnetIds=[subnet])

    # A prefix list shared with the account can be referred to and read, not changed.
    pl = network.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["moved"]}])["PrefixLists"][0]["PrefixListId"]
    assert own.get_managed_prefix_list_entries(PrefixListId=pl)["Entries"][0]["Cidr"] == "172.30.1.0/24"
    refused("UnauthorizedOperation", own.modify_managed_prefix_list, PrefixListId=pl, MaxEntries=20)
    refused("InvalidPrefixListID.NotFound", stranger.get_managed_prefix_list_entries, PrefixListId=pl)
    own.create_route(RouteTableId=own_table, DestinationPrefixListId=pl, TransitGatewayId=tgw)

    second, (other,) = vpc(own, "10.41.0.0/16", "10.41.1.0/24")
    unwanted = own.create_transit_gateway_vpc_attachment(TransitGatewayId=tgw, VpcId=second, SubnetIds=[other])["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    network.reject_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=unwanted)
    settle(lambda: states(network, unwanted))
    network.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
    assert own.describe_route_tables(RouteTableIds=[own_table])["RouteTables"][0]["Routes"][0]["State"] == "blackhole"


def main():
    shared(roles())
    print("all held")


main()
