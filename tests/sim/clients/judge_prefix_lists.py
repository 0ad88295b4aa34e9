"""boto3 against managed prefix lists, their references and propagations: accepted where AWS accepts, else refused."""

from judging import TOKYO, attached, client, gateway, refused, settle, states, tags, vpc

OTHER = "222233334444"


def made(ec2, name, cidrs, most):
    """A prefix list; beyond 100 entries in several requests."""
    entries = [{"Cidr": cidr} for cidr in cidrs]
    pl = ec2.create_managed_prefix_list(
        PrefixListName=name, AddressFamily="IPv4", MaxEntries=most, Entries=entries[:100], TagSpecifications=tags("prefix-list", name)
    )["PrefixList"]["PrefixListId"]
    settle(lambda: [one(ec2, pl)["State"]])
    return pl


def one(ec2, pl):
    return ec2.describe_managed_prefix_lists(PrefixListIds=[pl])["PrefixLists"][0]


def cidrs(ec2, pl, **more):
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=pl, **more)
    return [it["Cidr"] for page in pages for it in page["Entries"]]


def lists(ec2):
    first = ec2.create_managed_prefix_list(PrefixListName="apps", AddressFamily="IPv4", MaxEntries=3, Entries=[{"Cidr": "172.30.1.0/24", "Description": "app"}])["PrefixList"]
    pl = first["PrefixListId"]
    assert (first["State"], first["Version"], first["MaxEntries"], first["OwnerId"]) == ("create-in-progress", 1, 3, "111122223333"), first
    change = {"PrefixListId": pl, "CurrentVersion": 1}
    refused("IncorrectState", ec2.modify_managed_prefix_list, AddEntries=[{"Cidr": "10.0.0.0/8"}], **change)
    settle(lambda: [one(ec2, pl)["State"]])
    second = ec2.modify_managed_prefix_list(AddEntries=[{"Cidr": "172.30.2.0/24"}], **change)["PrefixList"]
    assert (second["State"], second["Version"]) == ("modify-in-progress", 2), second
    settle(lambda: [one(ec2, pl)["State"]])
    message, _ = refused("PrefixListVersionMismatch", ec2.modify_managed_prefix_list, AddEntries=[{"Cidr": "172.30.3.0/24"}], **change)
    assert message == "The prefix list has the incorrect version number.", message
    change["CurrentVersion"] = 2
    refused("InvalidParameterCombination", ec2.modify_managed_prefix_list, AddEntries=[{"Cidr": "172.30.3.0/24"}], MaxEntries=5, **change)
    refused("PrefixListMaxEntriesExceeded", ec2.modify_managed_prefix_list, AddEntries=[{"Cidr": "172.30.3.0/24"}, {"Cidr": "172.30.4.0/24"}], **change)
    refused("InvalidPrefixListModification", ec2.modify_managed_prefix_list, RemoveEntries=[{"Cidr": "172.30.3.0/24"}], **change)
    refused("InvalidParameterValue", ec2.modify_managed_prefix_list, AddEntries=[{"Cidr": "172.30.3.1/24"}], **change)
    refused("MissingParameter", ec2.modify_managed_prefix_list, PrefixListId=pl, AddEntries=[{"Cidr": "172.30.3.0/24"}])
    refused("InvalidParameterValue", ec2.modify_managed_prefix_list, AddEntries=[{"Cidr": f"10.{n}.0.0/16"} for n in range(101)], **change)
    refused("InvalidPrefixListID.NotFound", ec2.describe_managed_prefix_lists, PrefixListIds=["pl-0123456789abcdef0"])
    refused("InvalidPrefixListID.NotFound", client("ec2", TOKYO, OTHER).get_managed_prefix_list_entries, PrefixListId=pl)
    assert cidrs(ec2, pl) == ["172.30.1.0/24", "172.30.2.0/24"] and cidrs(ec2, pl, TargetVersion=1) == ["172.30.1.0/24"]
    assert ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=5)["PrefixList"]["Version"] == 2
    settle(lambda: [one(ec2, pl)["State"]])
    assert one(ec2, pl)["MaxEntries"] == 5
    assert ec2.restore_managed_prefix_list_version(PrefixListId=pl, PreviousVersion=1, CurrentVersion=2)["PrefixList"]["Version"] == 3
    for _ in range(2):
        one(ec2, pl)
    assert cidrs(ec2, pl) == ["172.30.1.0/24"]
    ec2.delete_managed_prefix_list(PrefixListId=pl)
    assert one(ec2, pl)["State"] == "delete-in-progress"
    refused("InvalidPrefixListID.NotFound", ec2.describe_managed_prefix_lists, PrefixListIds=[pl])

    big = made(ec2, "big", [f"10.{n}.0.0/16" for n in range(100)], 250)
    for start, version in ((100, 1), (200, 2)):
        more = [{"Cidr": f"10.{n}.0.0/16" if n < 256 else f"11.{n - 256}.0.0/16"} for n in range(start, min(start + 100, 230))]
        ec2.modify_managed_prefix_list(PrefixListId=big, CurrentVersion=version, AddEntries=more)
        settle(lambda: [one(ec2, big)["State"]])
    assert len(ec2.get_managed_prefix_list_entries(PrefixListId=big)["Entries"]) == 100
    assert len(cidrs(ec2, big)) == 230
    found = ec2.describe_managed_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["big"]}])["PrefixLists"]
    assert [it["PrefixListId"] for it in found] == [big] and found[0]["Tags"] == [{"Key": "Name", "Value": "big"}]


def rows(ec2, table, **filters):
    wanted = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
    found = ec2.search_transit_gateway_routes(TransitGatewayRouteTableId=table, Filters=wanted)["Routes"]
    return {it["DestinationCidrBlock"]: (it["Type"], it["State"], it.get("PrefixListId"), [a["TransitGatewayAttachmentId"] for a in it.get("TransitGatewayAttachments", [])]) for it in found}


def references(ec2):
    tgw, table = gateway(ec2)
    sides = {}
    for name, cidr in (("ec2", "172.30.0.0/16"), ("nc2", "10.10.0.0/16")):
        vpc_id, (subnet,) = vpc(ec2, cidr, cidr.replace("0.0/16", "1.0/24"))
        sides[name] = (attached(ec2, tgw, vpc_id, subnet), vpc_id, subnet)
        settle(lambda: states(ec2, sides[name][0]))
    source, nc2 = sides["ec2"][0], sides["nc2"][0]
    pl = made(ec2, "moved", ["172.30.0.0/16", "172.30.1.0/24", "172.30.2.0/24"], 5)
    named = {"TransitGatewayRouteTableId": table, "PrefixListId": pl}
    refused("InvalidRoute.NotFound", ec2.modify_transit_gateway_prefix_list_reference, TransitGatewayAttachmentId=nc2, **named)
    refused("MissingParameter", ec2.create_transit_gateway_prefix_list_reference, **named)
    refused("InvalidParameterCombination", ec2.create_transit_gateway_prefix_list_reference, TransitGatewayAttachmentId=nc2, Blackhole=True, **named)
    refused("InvalidTransitGatewayAttachmentID.NotFound", ec2.create_transit_gateway_prefix_list_reference, TransitGatewayAttachmentId="tgw-attach-0123456789abcdef0", **named)
    refused("InvalidPrefixListID.NotFound", ec2.create_transit_gateway_prefix_list_reference, TransitGatewayAttachmentId=nc2, TransitGatewayRouteTableId=table, PrefixListId="pl-0123456789abcdef0")
    reference = ec2.create_transit_gateway_prefix_list_reference(TransitGatewayAttachmentId=nc2, **named)["TransitGatewayPrefixListReference"]
    assert reference["State"] == "pending" and reference["TransitGatewayAttachment"]["ResourceType"] == "vpc" and not reference["Blackhole"], reference
    refused("RouteAlreadyExists", ec2.create_transit_gateway_prefix_list_reference, TransitGatewayAttachmentId=nc2, **named)
    refused("IncorrectState", ec2.modify_transit_gateway_prefix_list_reference, TransitGatewayAttachmentId=source, **named)
    read = lambda: ec2.get_transit_gateway_prefix_list_references(TransitGatewayRouteTableId=table)["TransitGatewayPrefixListReferences"]
    settle(lambda: [it["State"] for it in read()])

    # Each entry is a static route of the table; precedence: static, prefix list, propagated.
    ec2.enable_transit_gateway_route_table_propagation(TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=source)
    ec2.create_transit_gateway_route(TransitGatewayRouteTableId=table, DestinationCidrBlock="172.30.2.0/24", TransitGatewayAttachmentId=source)
    rows(ec2, table, type=["static"])
    listed, static = ("static", "active", pl, [nc2]), ("static", "active", None, [source])
    assert rows(ec2, table, type=["static", "propagated"]) == {"172.30.0.0/16": listed, "172.30.1.0/24": listed, "172.30.2.0/24": static}
    assert set(rows(ec2, table, prefix_list_id=[pl])) == {"172.30.0.0/16", "172.30.1.0/24"}
    refused("InvalidRoute.NotFound", ec2.delete_transit_gateway_route, TransitGatewayRouteTableId=table, DestinationCidrBlock="172.30.1.0/24")
    ec2.delete_transit_gateway_route(TransitGatewayRouteTableId=table, DestinationCidrBlock="172.30.2.0/24")
    assert rows(ec2, table, prefix_list_id=[pl])["172.30.2.0/24"] == listed

    # One call leads all entries elsewhere, or nowhere.
    change = ec2.modify_transit_gateway_prefix_list_reference(TransitGatewayAttachmentId=source, **named)["TransitGatewayPrefixListReference"]
    assert change["State"] == "modifying" and change["TransitGatewayAttachment"]["TransitGatewayAttachmentId"] == source
    settle(lambda: [it["State"] for it in read()])
    assert {it[3][0] for it in rows(ec2, table, type=["static"]).values()} == {source}
    ec2.modify_transit_gateway_prefix_list_reference(Blackhole=True, **named)
    assert settle(lambda: [it["State"] for it in read()]) and read()[0]["Blackhole"] and "TransitGatewayAttachment" not in read()[0]
    assert {it[:2] for it in rows(ec2, table, state=["blackhole"]).values()} == {("static", "blackhole")}
    assert [it["PrefixListId"] for it in ec2.get_transit_gateway_prefix_list_references(TransitGatewayRouteTableId=table, Filters=[{"Name": "is-blackhole", "Values": ["true"]}])["TransitGatewayPrefixListReferences"]] == [pl]
    ec2.modify_managed_prefix_list(PrefixListId=pl, CurrentVersion=1, RemoveEntries=[{"Cidr": "172.30.2.0/24"}])
    assert set(rows(ec2, table, prefix_list_id=[pl])) == {"172.30.0.0/16", "172.30.1.0/24"}

    # A list that is referred to is not deleted; when the reference goes, the propagated route serves again.
    one(ec2, pl)
    ec2.delete_managed_prefix_list(PrefixListId=pl)
    assert one(ec2, pl)["State"] == "delete-failed" and table in one(ec2, pl)["StateMessage"]
    assert ec2.delete_transit_gateway_prefix_list_reference(**named)["TransitGatewayPrefixListReference"]["State"] == "deleting"
    assert rows(ec2, table, type=["static", "propagated"]) == {"172.30.0.0/16": ("propagated", "active", None, [source])}
    assert [it["State"] for it in read()] == ["deleting"] and not read()
    return tgw, table, sides, pl


def propagations(ec2, table, sides):
    source = sides["ec2"][0]
    read = lambda: ec2.get_transit_gateway_attachment_propagations(TransitGatewayAttachmentId=source)["TransitGatewayAttachmentPropagations"]
    settle(lambda: [it["State"] for it in read()])
    assert [it["TransitGatewayRouteTableId"] for it in read()] == [table]
    gone = ec2.disable_transit_gateway_route_table_propagation(TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=source)["Propagation"]
    assert gone["State"] == "disabling" and not rows(ec2, table, type=["propagated"])
    assert [it["State"] for it in read()] == ["disabling"]
    ec2.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=table)
    assert not read()
    refused("TransitGatewayRouteTablePropagation.NotFound", ec2.disable_transit_gateway_route_table_propagation, TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=source)
    ec2.enable_transit_gateway_route_table_propagation(TransitGatewayRouteTableId=table, TransitGatewayAttachmentId=source)
    assert set(rows(ec2, table, type=["propagated"])) == {"172.30.0.0/16"}


def vpc_tables(ec2, tgw, sides):
    """A prefix list as destination: counts with its maximum, and its entries within the VPC are ignored."""
    _, vpc_id, subnet = sides["nc2"]
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    small, large = made(ec2, "small", ["172.30.1.0/24", "10.10.1.0/24"], 10), made(ec2, "large", ["172.31.0.0/16"], 495)
    route = {"RouteTableId": table, "DestinationPrefixListId": small, "TransitGatewayId": tgw}
    refused("InvalidParameterCombination", ec2.create_route, DestinationCidrBlock="10.0.0.0/8", **route)
    refused("InvalidPrefixListID.NotFound", ec2.create_route, **dict(route, DestinationPrefixListId="pl-0123456789abcdef0"))
    ec2.create_route(**route)
    refused("RouteAlreadyExists", ec2.create_route, **route)
    refused("RouteLimitExceeded", ec2.create_route, **dict(route, DestinationPrefixListId=large))
    seen = ec2.describe_route_tables(Filters=[{"Name": "route.destination-prefix-list-id", "Values": [small]}])["RouteTables"][0]["Routes"]
    assert {"DestinationPrefixListId": small, "TransitGatewayId": tgw, "State": "active", "Origin": "CreateRoute"} in seen, seen
    # The list cannot outgrow the tables that refer to it.
    ec2.modify_managed_prefix_list(PrefixListId=small, MaxEntries=501)
    failed = one(ec2, small)
    assert failed["State"] == "modify-failed" and table in failed["StateMessage"] and failed["MaxEntries"] == 10
    ec2.delete_route(RouteTableId=table, DestinationPrefixListId=small)
    refused("InvalidRoute.NotFound", ec2.delete_route, RouteTableId=table, DestinationPrefixListId=small)
    refused("InvalidParameterValue", ec2.replace_route, **route)


def main():
    tokyo = client("ec2", TOKYO)
    lists(tokyo)
    tgw, table, sides, _ = references(tokyo)
    propagations(tokyo, table, sides)
    vpc_tables(tokyo, tgw, sides)
    print("all held")


main()
