//! Whom a move would cut off.

use crate::judge::{Case, instance, ip, machine, spoiled};
use crate::world::*;
use holdfast_model::*;
use holdfast_plan::{Move, cut_off, plan_move};
use std::collections::BTreeSet;

/// The good case with the story's routing, and a neighbour in another subnet of the source VPC.
fn with_neighbour(spoil: impl Fn(&mut Eni, &mut Instance)) -> Case {
    let mut case = Case::good();
    case.picture = Some(story().picture);
    let (mut instance, mut eni) = machine(9, InstanceState::Running, "172.30.9.5");
    eni.subnet = subnet("other");
    spoil(&mut eni, &mut instance);
    case.ec2().instances.insert(instance.id.clone(), instance);
    case.ec2().enis.insert(eni.id.clone(), eni);
    case
}

/// AWS, "Route priority" of VPCs: a route more specific than `local` cannot lead to a transit gateway.
#[test]
fn neighbours_behind_local_are_stranded_by_id_unless_accepted_by_name() {
    let (fault, text) = with_neighbour(|_, _| ()).judge().unwrap_err();
    assert_eq!(fault, FaultName::Refused);
    insta::assert_snapshot!(text, @"instance i-00000009 (machine-9, running) by eni-00000009 at 172.30.9.5 could not reach `172.30.1.0/24` any more from `ec2-tokyo`: `local` keeps it inside of vpc-00000ec2; move it too, or accept it under `policy.accept_stranded` as `i-00000009`, `eni-00000009`");
    for id in ["i-00000009", "eni-00000009"] {
        let mut case = with_neighbour(|_, _| ());
        case.map.policy.accept_stranded.insert(id.to_owned());
        assert!(
            case.judge()
                .unwrap()
                .iter()
                .any(|line| line.ends_with(&format!("keeps it inside of vpc-00000ec2; accepted as `{id}`")))
        );
    }
}

/// A plan tells whom it cuts off by itself: before there is evidence, and whatever else speaks against it.
#[test]
fn whom_a_plan_cuts_off_is_told_by_id_and_address_without_evidence() {
    let networks = BTreeSet::from([network("app")]);
    let mut case = with_neighbour(|_, _| ());
    case.evidence = None;
    let (instance, eni) = machine(7, InstanceState::Running, "172.30.1.77");
    case.ec2().instances.insert(instance.id.clone(), instance);
    case.ec2().enis.insert(eni.id.clone(), eni);
    case.map.policy.accept_stranded.insert("eni-00000009".to_owned());
    insta::assert_snapshot!(cut_off(&case.facts(&networks)).lines().join("\n"), @"
    instance i-00000007 (machine-7, running) by eni-00000007 holds `172.30.1.77` at `ec2-tokyo` and is no captured host; move it with a wave, remove it, accept it by its id under `policy.accept_stranded`, or leave the network where it is
    instance i-00000009 (machine-9, running) by eni-00000009 at 172.30.9.5 could not reach `172.30.1.0/24` any more from `ec2-tokyo`: `local` keeps it inside of vpc-00000ec2; accepted as `eni-00000009`
    ");
    // Where nothing was captured, whoever holds an address may be what moves.
    case.hosts.clear();
    let found = cut_off(&case.facts(&networks));
    assert_eq!((found.refused.len(), found.accepted.len()), (0, 1));
    // Back where the neighbour is, nobody is cut off.
    case.to = site("ec2-tokyo");
    assert_eq!(cut_off(&case.facts(&networks)).lines(), Vec::<String>::new());
}

#[test]
fn endpoints_and_load_balancers_are_stranded_and_awss_own_attachment_interfaces_are_not() {
    let service = |kind: &'static str, by: &'static str, description: &'static str| {
        with_neighbour(move |eni, _| {
            (eni.instance, eni.kind, eni.managed_by) = (None, kind.to_owned(), Some(by.to_owned()));
            eni.description = description.to_owned();
        })
    };
    let (_, text) = service("vpc_endpoint", "amazon-aws", "VPC Endpoint Interface vpce-1").judge().unwrap_err();
    assert!(
        text.starts_with(
            "network interface eni-00000009 (VPC Endpoint Interface vpce-1) at 172.30.9.5 could not reach"
        ),
        "{text}"
    );
    assert!(service("interface", "amazon-elb", "ELB app/front").judge().is_err());
    assert!(service("interface", "amazon-rds", "RDSNetworkInterface").judge().is_err());
    assert!(
        service("transit_gateway", "amazon-aws", "Network Interface for Transit Gateway Attachment").judge().is_ok()
    );
    assert!(with_neighbour(|_, instance| instance.state = InstanceState::Stopped).judge().is_ok());
    assert!(with_neighbour(|eni, _| eni.status = EniStatus::Available).judge().is_ok());
}

/// AWS: an IP or instance target that has left the VPC's own routing is not reached by the load balancer's interfaces behind `local`.
#[test]
fn load_balancer_targets_that_move_are_named_with_their_group() {
    let mut case = with_neighbour(|eni, _| eni.status = EniStatus::Available);
    let target = |kind| LoadBalancerTarget { group: "front".to_owned(), vpc: vpc("ec2"), target: kind };
    case.ec2().targets = Some(vec![
        target(TargetKind::Instance { id: instance(1) }),
        target(TargetKind::Address { address: ip("172.30.1.35") }),
        target(TargetKind::Address { address: ip("172.30.9.5") }),
    ]);
    let (_, text) = case.judge().unwrap_err();
    assert!(text.starts_with("target i-00000001 (172.30.1.34) of target group front could"), "{text}");
    assert_eq!(text.matches("of target group front could not be reached by its load balancer").count(), 2, "{text}");
    case.map.policy.accept_stranded.insert("front".to_owned());
    assert!(case.judge().is_ok());
}

/// Some machines of a subnet move: those that stay in it and those that move think of each other as on-link.
#[test]
fn those_left_in_a_moved_machines_own_subnet_are_stranded() {
    let mut case = with_neighbour(|eni, _| (eni.primary, eni.subnet) = (ip("172.30.1.77"), subnet("app")));
    case.addresses = Some(BTreeSet::from([ip("172.30.1.34"), ip("172.30.1.35")]));
    let (_, text) = case.judge().unwrap_err();
    assert!(
        text.contains("stays in the subnet of machines that move: neither side reaches the other (`172.30.1.77`"),
        "{text}"
    );
    // The other captured host stays too: it is as much a neighbour as anybody.
    let mut case = Case::good();
    case.picture = Some(story().picture);
    case.addresses = Some(BTreeSet::from([ip("172.30.1.34")]));
    case.ec2().instances.get_mut(&instance(2)).unwrap().state = InstanceState::Running;
    let (_, text) = case.judge().unwrap_err();
    assert!(
        text.starts_with("instance i-00000002 (machine-2, running) by eni-00000002 at 172.30.1.35 stays in the subnet"),
        "{text}"
    );
}

/// NC2 keeps its own route for a prefix in its VPC, whichever site the machines are at.
#[test]
fn machines_of_the_standby_nc2_vpc_are_stranded_by_nc2s_own_route() {
    let standby = |tags: &[(&str, &str)]| {
        let mut case = Case::good();
        case.picture = Some(story().picture);
        let (mut instance, mut eni) = machine(9, InstanceState::Running, "10.20.1.5");
        (eni.vpc, eni.subnet) = (vpc("ncosaka"), subnet("noa"));
        instance.tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut machines = Machines::default();
        machines.instances.insert(instance.id.clone(), instance);
        machines.enis.insert(eni.id.clone(), eni);
        case.machines.insert(site("nc2-osaka"), machines);
        case
    };
    let (_, text) = standby(&[]).judge().unwrap_err();
    assert!(text.contains("could not reach `172.30.1.0/24`: NC2's own route keeps it at `nc2-osaka`"), "{text}");
    assert!(standby(&[("nutanix:clusters:cluster-uuid", "x")]).judge().is_ok(), "a host of NC2");
}

/// Flow routes between the subnets of one VPC itself: one that stays keeps its neighbours' prefixes there.
#[test]
fn networks_of_one_flow_vpc_are_not_split_between_sites() {
    let text = MAP.replace(
        "  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}\n",
        "  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}\n  db: {prefix: 172.30.2.0/24, subnets: {nc2-tokyo: db, nc2-osaka: db}}\n",
    );
    let mut world = story();
    for p in ["172.30.1.0/24", "172.30.2.0/24"] {
        world.route("tokyo", p, "nctokyo", RouteOrigin::Static);
        world.route("osaka", p, "peer", RouteOrigin::Static);
    }
    let mut case = Case::good();
    case.map = NetworkMap::parse(&text).unwrap();
    case.picture = Some(world.picture);
    case.to = site("nc2-osaka");
    for seen in case.evidence.as_mut().unwrap().hosts.values_mut().flatten() {
        seen.site = site("nc2-osaka");
    }
    let (_, text) = case.judge().unwrap_err();
    assert_eq!(
        text,
        "network `db` at `nc2-tokyo` could not reach `app` any more: its Flow VPC keeps a subnet of the same prefix there; move it too, or accept it under `policy.accept_stranded` as `db`"
    );
    case.map.policy.accept_stranded.insert("db".to_owned());
    assert!(case.judge().is_ok());
}

#[test]
fn a_stopped_instance_of_an_auto_scaling_group_would_be_replaced() {
    let (_, text) = spoiled(|case| {
        let instance = case.ec2().instances.get_mut(&instance(1)).unwrap();
        instance.tags.insert("aws:autoscaling:groupName".to_owned(), "web".to_owned());
    });
    assert!(text.contains("in Auto Scaling group `web`, which may replace it; detach the instance"), "{text}");
}

/// AWS: disabling a VPC's propagation removes all of its prefixes: whoever stays in the VPC is cut off.
#[test]
fn whoever_stays_in_a_vpc_whose_propagation_goes_is_cut_off() {
    let text = MAP.replace(
        "    id: tgw-rtb-000tokyo\n",
        "    id: tgw-rtb-000tokyo\n    propagations: {ec2-tokyo: tgw-attach-00000ec2}\n",
    );
    let mut case = with_neighbour(|_, _| ());
    case.map = NetworkMap::parse(&text).unwrap();
    let (networks, to) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let plan = plan_move(&Move::whole(&networks, &to), &case.map, case.picture.as_ref().unwrap()).unwrap();
    case.plan = Some(plan);
    let (_, text) = case.judge().unwrap_err();
    assert!(
        text.contains("could not be reached by 172.30.9.5 any more: tokyo-main (tgw-rtb-000tokyo) has no propagation of tgw-attach-00000ec2 any more"),
        "{text}"
    );
}

/// An operation that stopped in its middle: whoever stayed at the EC2 site matters where the machines came from there, and not where they had left it
/// before.
#[test]
fn half_way_between_two_nc2_sites_nobody_leaves_the_ec2_site() {
    let half = |tokyo: Option<&str>, osaka: Option<&str>, to: &str| {
        let mut case = with_neighbour(|_, _| ());
        let mut world = story();
        for (table, at) in [("tokyo", tokyo), ("osaka", osaka)] {
            if let Some(at) = at {
                world.route(table, "172.30.1.0/24", at, RouteOrigin::Static);
            }
        }
        case.picture = Some(world.picture);
        case.to = site(to);
        for seen in case.evidence.as_mut().unwrap().hosts.values_mut().flatten() {
            seen.site = site(to);
        }
        case
    };
    for (tokyo, osaka) in [(Some("nctokyo"), None), (None, Some("peer"))] {
        let (_, text) = half(tokyo, osaka, "nc2-tokyo").judge().unwrap_err();
        assert!(text.contains("i-00000009") && text.contains("`local` keeps it"), "{text}");
    }
    // Osaka leads to the machines there already, Tokyo still to its own.
    half(Some("nctokyo"), Some("ncosaka"), "nc2-osaka").judge().unwrap();
    // What follows no site tells nothing.
    let (_, text) = half(Some("vpntokyo"), None, "nc2-tokyo").judge().unwrap_err();
    assert!(text.contains("i-00000009"), "{text}");
}

/// A table of the NC2 VPC that the map declares, and that NC2 does not write, leads its machines to the other Region by the plan itself.
#[test]
fn machines_of_the_left_nc2_vpc_whose_own_table_follows_are_not_stranded() {
    let tools = r#"  tools:
    account: main
    region: ap-northeast-1
    id: rtb-000tools
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 0.0.0.0/0}
      nc2-tokyo: {kind: eni, id: eni-0000000f}
      nc2-osaka: {kind: tgw, id: tgw-000tokyo}
vantages:
"#;
    let mut world = story();
    world.route("tokyo", "172.30.1.0/24", "nctokyo", RouteOrigin::Static);
    world.route("osaka", "172.30.1.0/24", "peer", RouteOrigin::Static);
    let nctokyo = world.picture.vpcs.get_mut(&vpc("nctokyo")).unwrap();
    nctokyo
        .subnets
        .insert(subnet("tools"), VpcSubnet { prefix: prefix("10.10.9.0/24"), table: table("tools"), zone: zone("a") });
    let to_tgw = VpcRoute::created(VpcTarget::Tgw { id: tgw("tokyo") });
    let routes = [(prefix("10.10.0.0/16"), VpcRoute::created(VpcTarget::Local)), (prefix("0.0.0.0/0"), to_tgw)];
    nctokyo.tables.insert(
        table("tools"),
        VpcTable { name: None, managed_by: None, routes: routes.into_iter().collect(), hidden: [].into() },
    );
    world.flow("nctokyo", "tools", "172.30.1.0/24");

    let mut case = Case::good();
    case.map = NetworkMap::parse(&MAP.replace("vantages:\n", tools)).unwrap();
    case.to = site("nc2-osaka");
    for seen in case.evidence.as_mut().unwrap().hosts.values_mut().flatten() {
        seen.site = site("nc2-osaka");
    }
    let (instance, mut eni) = machine(9, InstanceState::Running, "10.10.9.5");
    (eni.vpc, eni.subnet) = (vpc("nctokyo"), subnet("tools"));
    let mut machines = Machines::default();
    machines.instances.insert(instance.id.clone(), instance);
    machines.enis.insert(eni.id.clone(), eni);
    case.machines.insert(site("nc2-tokyo"), machines);
    case.picture = Some(world.picture);
    let (_, text) = case.judge().unwrap_err();
    assert!(text.contains("NC2's own route keeps it at `nc2-tokyo`"), "{text}");

    let (networks, to) = (BTreeSet::from([network("app")]), site("nc2-osaka"));
    case.plan = Some(plan_move(&Move::whole(&networks, &to), &case.map, case.picture.as_ref().unwrap()).unwrap());
    case.judge().unwrap();
}
