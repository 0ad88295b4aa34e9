//! Rules of transit gateway routing, over HTTP. Sources: the Transit Gateways guide and the EC2 API reference.

use crate::support::Aws;

const TABLE: (&str, &str) = ("TransitGatewayRouteTableId", "tgw-rtb-01");

fn route<'a>(prefix: &'a str, attachment: &'a str) -> [(&'a str, &'a str); 3] {
    [TABLE, ("DestinationCidrBlock", prefix), ("TransitGatewayAttachmentId", attachment)]
}

fn row(prefix: &str, kind: &str, state: &str) -> (String, String, String) {
    (prefix.into(), kind.into(), state.into())
}

/// "Route evaluation order": static, then propagated from VPC, Direct Connect gateway, VPN.
#[tokio::test]
async fn a_static_route_beats_a_vpc_route_beats_direct_connect_beats_vpn() {
    let aws = Aws::start().await;
    let via = async |prefix: &str| {
        let filter = [TABLE, ("Filter.1.Name", "route-search.exact-match"), ("Filter.1.Value.1", prefix)];
        aws.ec2("SearchTransitGatewayRoutes", &filter).await.text("transitGatewayAttachmentId").map(str::to_owned)
    };
    assert_eq!(via("172.30.0.0/16").await.as_deref(), Some("tgw-attach-0ec2"));
    assert_eq!(via("192.168.10.0/24").await.as_deref(), Some("tgw-attach-0d"));
    assert_eq!(via("192.168.11.0/24").await.as_deref(), Some("tgw-attach-0f"));
    aws.ec2("CreateTransitGatewayRoute", &route("172.30.0.0/16", "tgw-attach-0c2")).await;
    assert_eq!(via("172.30.0.0/16").await.as_deref(), Some("tgw-attach-0c2"));
}

/// A declared blackhole hides a propagated route of the prefix: static is static.
#[tokio::test]
async fn a_static_blackhole_hides_a_propagated_route() {
    let aws = Aws::start().await;
    let blackhole = [TABLE, ("DestinationCidrBlock", "172.30.0.0/16"), ("Blackhole", "true")];
    aws.ec2("CreateTransitGatewayRoute", &blackhole).await;
    assert_eq!(
        aws.search("route-search.longest-prefix-match", "172.30.1.34").await,
        [row("172.30.0.0/16", "static", "blackhole")]
    );
}

/// Route states of the API reference: `pending` until it was seen so as often as the switch says.
#[tokio::test]
async fn a_written_route_is_pending_for_as_many_reads_as_set() {
    let aws = Aws::start().await;
    aws.control(reqwest::Method::PUT, "/switches", serde_json::json!({"ec2": {"route_pending_reads": 2}})).await;
    aws.ec2("CreateTransitGatewayRoute", &route("172.30.1.0/24", "tgw-attach-0c2")).await;
    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(aws.search("route-search.exact-match", "172.30.1.0/24").await.remove(0).2);
    }
    assert_eq!(states, ["pending", "pending", "active"]);
}

/// Reads of the control plane may lag behind; traffic and conditions of later writes do not.
#[tokio::test]
async fn a_stale_read_shows_the_table_as_it_was() {
    let aws = Aws::start().await;
    let change = serde_json::json!({"ec2": {"stale_reads": 2, "route_pending_reads": 0}});
    aws.control(reqwest::Method::PUT, "/switches", change).await;
    aws.ec2("CreateTransitGatewayRoute", &route("172.30.1.0/24", "tgw-attach-0c2")).await;
    assert!(aws.search("route-search.exact-match", "172.30.1.0/24").await.is_empty());
    assert_eq!(
        aws.ec2("CreateTransitGatewayRoute", &route("172.30.1.0/24", "tgw-attach-0c2")).await.code(),
        "RouteAlreadyExists"
    );
    assert!(aws.search("route-search.exact-match", "172.30.1.0/24").await.is_empty());
    assert_eq!(
        aws.search("route-search.exact-match", "172.30.1.0/24").await,
        [row("172.30.1.0/24", "static", "active")]
    );
}

/// The duplicate's text as seen on AWS; replacing needs a static route of the very prefix.
#[tokio::test]
async fn create_and_replace_refuse_each_others_cases() {
    let aws = Aws::start().await;
    let wanted = route("172.30.1.0/24", "tgw-attach-0c2");
    assert_eq!(aws.ec2("ReplaceTransitGatewayRoute", &wanted).await.code(), "InvalidRoute.NotFound");
    assert_eq!(aws.ec2("DeleteTransitGatewayRoute", &wanted[..2]).await.code(), "InvalidRoute.NotFound");
    assert_eq!(aws.ec2("CreateTransitGatewayRoute", &wanted).await.code(), "");
    let again = aws.ec2("CreateTransitGatewayRoute", &wanted).await;
    assert_eq!(again.code(), "RouteAlreadyExists");
    let told = "Route 172.30.1.0/24 already exists in Transit Gateway Route Table tgw-rtb-01";
    assert_eq!(again.text("Message"), Some(told));
    // A propagated route alone cannot be replaced: `ReplaceTransitGatewayRoute` is for static routes.
    let propagated = route("10.10.0.0/16", "tgw-attach-0ec2");
    assert_eq!(aws.ec2("ReplaceTransitGatewayRoute", &propagated).await.code(), "InvalidRoute.NotFound");
}

/// "Blackhole routes": a static route stays when its attachment goes; propagated routes and associations go with it.
#[tokio::test]
async fn a_static_route_turns_into_a_blackhole_when_its_attachment_goes() {
    let aws = Aws::start().await;
    aws.ec2("CreateTransitGatewayRoute", &route("172.30.1.0/24", "tgw-attach-0c2")).await;
    let gone = aws.ec2("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", "tgw-attach-0c2")]).await;
    assert_eq!(gone.text("state"), Some("deleting"));
    assert_eq!(
        aws.search("route-search.exact-match", "172.30.1.0/24").await,
        [row("172.30.1.0/24", "static", "blackhole")]
    );
    assert!(aws.search("route-search.exact-match", "10.10.0.0/16").await.is_empty());
    let wanted = route("10.77.0.0/16", "tgw-attach-0c2");
    assert_eq!(aws.ec2("CreateTransitGatewayRoute", &wanted).await.code(), "IncorrectState");
    let seen = [("TransitGatewayAttachmentIds.1", "tgw-attach-0c2")];
    let states: Vec<_> = [
        aws.ec2("DescribeTransitGatewayVpcAttachments", &seen).await,
        aws.ec2("DescribeTransitGatewayVpcAttachments", &seen).await,
    ]
    .iter()
    .map(|answer| answer.text("state").unwrap().to_owned())
    .collect();
    assert_eq!(states, ["deleting", "deleted"]);
    let wanted = route("10.77.0.0/16", "tgw-attach-0c2");
    assert_eq!(
        aws.ec2("CreateTransitGatewayRoute", &wanted).await.code(),
        "InvalidTransitGatewayAttachmentID.NotFound"
    );
}

/// An attachment is a target in the tables of its own transit gateway only; a peering in those of both.
#[tokio::test]
async fn a_route_leads_to_an_attachment_of_its_own_transit_gateway() {
    let aws = Aws::start().await;
    let osaka = |attachment| {
        [
            ("TransitGatewayRouteTableId", "tgw-rtb-03"),
            ("DestinationCidrBlock", "172.30.1.0/24"),
            ("TransitGatewayAttachmentId", attachment),
        ]
    };
    let far = aws.try_ec2(crate::support::OSAKA, "CreateTransitGatewayRoute", &osaka("tgw-attach-0c2")).await.unwrap();
    assert_eq!(far.code(), "InvalidTransitGatewayAttachmentID.NotFound");
    let peering =
        aws.try_ec2(crate::support::OSAKA, "CreateTransitGatewayRoute", &osaka("tgw-attach-0b")).await.unwrap();
    assert_eq!((peering.code(), peering.text("resourceId")), ("", Some("tgw-01")));
}

/// `SearchTransitGatewayRoutes`: at least one filter, 1,000 routes a page; a server may say "more" without a token.
#[tokio::test]
async fn a_search_wants_a_filter_and_cuts_at_a_thousand_routes() {
    let aws = Aws::start().await;
    assert_eq!(aws.ec2("SearchTransitGatewayRoutes", &[TABLE]).await.code(), "MissingParameter");
    {
        let mut world = aws.sim.shared().world();
        let table = world.ec2.tgw_route_tables.get_mut("tgw-rtb-01").unwrap();
        for n in 0..1_200u32 {
            let prefix = ipnet::Ipv4Net::new(std::net::Ipv4Addr::from(0x0b00_0000 + n * 256), 24).unwrap();
            let blackhole = holdfast_sim::ec2::StaticRoute { attachment: None, pending_reads: 0 };
            table.routes.insert(prefix, blackhole);
        }
    }
    let all = [TABLE, ("Filter.1.Name", "state"), ("Filter.1.Value.1", "blackhole")];
    let first = aws.ec2("SearchTransitGatewayRoutes", &all).await;
    assert_eq!(first.texts("destinationCidrBlock").len(), 1_000);
    assert_eq!(first.text("additionalRoutesAvailable"), Some("true"));
    let token = first.text("nextToken").unwrap();
    let rest = aws.ec2("SearchTransitGatewayRoutes", &[&all[..], &[("NextToken", token)]].concat()).await;
    assert_eq!(rest.texts("destinationCidrBlock").len(), 200);
    assert_eq!(rest.text("additionalRoutesAvailable"), Some("false"));
    aws.control(reqwest::Method::PUT, "/switches", serde_json::json!({"ec2": {"search_tokens": false}})).await;
    let first = aws.ec2("SearchTransitGatewayRoutes", &all).await;
    assert_eq!((first.text("additionalRoutesAvailable"), first.text("nextToken")), (Some("true"), None));
}

/// "Middlebox routing": within the VPC, one whole subnet, to an interface. And `local` stays.
#[tokio::test]
async fn a_vpc_route_within_the_vpc_is_one_subnet_to_an_interface() {
    let aws = Aws::start().await;
    let to = |prefix, name, target| [("RouteTableId", "rtb-0ec2"), ("DestinationCidrBlock", prefix), (name, target)];
    let cases = [
        ("CreateRoute", to("172.30.1.0/24", "TransitGatewayId", "tgw-01"), "InvalidParameterValue"),
        ("CreateRoute", to("172.30.1.0/25", "NetworkInterfaceId", "eni-01"), "InvalidParameterValue"),
        ("CreateRoute", to("172.30.1.0/24", "NetworkInterfaceId", "eni-01"), ""),
        ("CreateRoute", to("0.0.0.0/0", "NetworkInterfaceId", "eni-01"), "RouteAlreadyExists"),
        ("ReplaceRoute", to("172.30.0.0/16", "TransitGatewayId", "tgw-01"), "InvalidParameterValue"),
        ("DeleteRoute", to("172.30.0.0/16", "NetworkInterfaceId", "eni-01"), "InvalidParameterValue"),
        ("ReplaceRoute", to("10.0.0.0/8", "TransitGatewayId", "tgw-01"), "InvalidParameterValue"),
        ("CreateRoute", to("10.0.0.0/8", "TransitGatewayId", "tgw-0123"), "InvalidTransitGatewayID.NotFound"),
        ("CreateRoute", to("10.0.0.0/8", "InstanceId", "i-01"), "UnsupportedOperation"),
    ];
    for (action, parameters, code) in cases {
        assert_eq!(aws.ec2(action, &parameters).await.code(), code, "{action} {parameters:?}");
    }
}

/// "Request throttling": buckets of 50 refilled by 5 a second for changes, per API and account.
#[tokio::test]
async fn a_burst_of_changes_is_throttled_and_refilled_each_second() {
    let aws = Aws::start().await;
    let burst = async || {
        let mut passed = 0;
        while passed < 200 {
            let answer = aws.ec2("DeleteTransitGatewayRoute", &[TABLE, ("DestinationCidrBlock", "9.9.9.0/24")]).await;
            match (answer.status, answer.code()) {
                (400, "InvalidRoute.NotFound") => passed += 1,
                (503, "RequestLimitExceeded") => break,
                other => panic!("{other:?}"),
            }
        }
        passed
    };
    assert_eq!(burst().await, 50);
    assert_eq!(aws.ec2("DescribeVpcs", &[]).await.code(), "", "another API has another bucket");
    aws.clock.advance(jiff::SignedDuration::from_secs(2));
    assert_eq!(burst().await, 10);
    aws.clock.advance(jiff::SignedDuration::from_secs(1_000));
    assert_eq!(burst().await, 50, "no more than the bucket holds");
}
