//! What a network map may not say.

use crate::*;

const MAP: &str = r#"schema_version: 1
accounts:
  main: {id: "111122223333"}
prism_centrals:
  tokyo:
    endpoint: https://prism.example:9440
    secret: prism-tokyo
    trust: {kind: web_roots}
    region: ap-northeast-1
sites:
  ec2-tokyo: {kind: ec2, account: main, region: ap-northeast-1, vpc: vpc-0000000a}
  nc2-tokyo:
    kind: nc2
    account: main
    region: ap-northeast-1
    vpc: vpc-0000000b
    prism_central: tokyo
    fvn_vpc: apps
    cluster: cl-1
networks:
  app:
    prefix: 172.30.1.0/24
    subnets: {nc2-tokyo: app}
route_tables:
  tokyo:
    account: main
    region: ap-northeast-1
    id: tgw-rtb-0000000a
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: attachment, id: tgw-attach-0000000b}
vantages:
  onprem:
    kind: on_premises
    prefixes: [192.168.10.0/24]
    account: main
    region: ap-northeast-1
    enters: tgw-attach-0000000c
waves:
  wave-1: {from: ec2-tokyo, to: nc2-tokyo, select: {kind: tags, tags: {Wave: "1"}}}
"#;

fn error(from: &str, to: &str) -> String {
    assert!(MAP.contains(from), "the map has no `{from}`");
    NetworkMap::parse(&MAP.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn what_starts_by_itself_is_said_without_doubt() {
    let map = |start: &str, limits: &str| {
        let text = MAP.replace("    subnets: {nc2-tokyo: app}\n", &format!("    subnets: {{nc2-tokyo: app}}\n{start}"));
        NetworkMap::parse(&format!("{text}policy:\n  start:\n{limits}"))
    };
    let limits = "    hold_down_seconds: 60\n";
    let read = map("    start: propose\n", limits).unwrap();
    assert_eq!(read.networks.values().map(|network| network.start).collect::<Vec<_>>(), [StartPolicy::Propose]);
    assert_eq!(read.policy.start, StartLimits { hold_down_seconds: 60, ..StartLimits::default() });
    let line = 1 + MAP.lines().count() + 3;
    let off = |window: &str| format!("    automatic_off:\n      - {{{window}}}\n");
    for (limits, what) in [
        (
            off("days: [sat], from: \"00:00\", to: \"24:00\", time_zone: Asia/Tokio"),
            "time zone `Asia/Tokio` is not known",
        ),
        (off("days: [], from: \"00:00\", to: \"24:00\", time_zone: Asia/Tokyo"), "`days` is empty"),
        (off("days: [sat], from: \"09:00\", to: \"09:00\", time_zone: Asia/Tokyo"), "09:00 to 09:00 is empty"),
        (off("days: [sat], from: \"9:00\", to: \"10:00\", time_zone: Asia/Tokyo"), "`9:00` is not a time of the day"),
        ("\n    approval_expires_seconds: 0\n".to_owned(), "is not between 1 and 86400"),
        ("\n    approval_expires_seconds: 86401\n".to_owned(), "is not between 1 and 86400"),
    ] {
        let error = map("", &limits).unwrap_err();
        assert!(error.message.contains(what) && error.line == line, "{error} (wanted line {line})");
    }
    assert!(map("    start: sometimes\n", limits).unwrap_err().message.contains("sometimes"));
}

#[test]
fn nics_are_mapped_once() {
    let error = |mapping: &str| error("{Wave: \"1\"}}}", &format!("{{Wave: \"1\"}}}}, nics: {{web-1: {mapping}}}}}"));
    let twice = error("{to: {1: '50:6b:8d:00:00:01'}, leave_out: [1]}");
    assert!(twice.starts_with("network map, line 40: captured NIC 1 is under `to` and `leave_out`"), "{twice}");
    let twice = error("{to: {1: '50:6b:8d:00:00:01'}, ignore: ['50-6B-8D-00-00-01']}");
    assert!(twice.contains("NIC `50:6b:8d:00:00:01` is named twice"), "{twice}");
    let odd = error("{to: {1: nic-1}}");
    assert!(odd.contains("is not a MAC address"), "{odd}");
    let mute = self::error("{Wave: \"1\"}}", "{Wave: \"1\"}}, excused: {web-1: ' '}");
    assert!(mute.starts_with("network map, line 40: `web-1` is excused without a reason"), "{mute}");
}

#[test]
fn a_good_map_is_read_whole() {
    let map = NetworkMap::parse(MAP).unwrap();
    assert_eq!(map.scopes().len(), 1);
    assert_eq!(map.network_of("172.30.1.34".parse().unwrap()).map(|(n, _)| n.as_str()), Some("app"));
    assert_eq!(map.policy, Policy::default());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = error("    prefix: 172.30.1.0/24\n", "    prefix: 172.30.1.0/24\n    vlan: 7\n");
    assert!(text.starts_with("network map, line 23: ") && text.contains("vlan"), "{text}");
}

#[test]
fn a_dangling_reference_is_named_with_its_line_and_what_is_declared() {
    assert_eq!(
        error("prism_central: tokyo", "prism_central: kyoto"),
        "network map, line 17: Prism Central `kyoto` is not under `prism_centrals` (declared: `tokyo`)"
    );
    assert_eq!(
        error("subnets: {nc2-tokyo: app}", "subnets: {nc2-kyoto: app}"),
        "network map, line 23: site `nc2-kyoto` is not under `sites` (declared: `ec2-tokyo`, `nc2-tokyo`)"
    );
}

#[test]
fn overlapping_networks_are_refused() {
    let text = error(
        "  app:\n    prefix: 172.30.1.0/24\n",
        "  all:\n    prefix: 172.30.0.0/16\n  app:\n    prefix: 172.30.1.0/24\n",
    );
    assert_eq!(
        text,
        "network map, line 24: network `app` 172.30.1.0/24 overlaps network `all` 172.30.0.0/16; declare one of them"
    );
}

#[test]
fn a_table_without_an_entry_for_a_site_is_refused() {
    let text = error("      nc2-tokyo: {kind: attachment, id: tgw-attach-0000000b}\n", "");
    assert!(
        text.starts_with(
            "network map, line 29: route table `tokyo` has no next hop for site `nc2-tokyo`; add `nc2-tokyo: "
        ),
        "{text}"
    );
}

#[test]
fn bad_prefixes_are_refused_with_line_and_mend() {
    let text = error("prefix: 172.30.1.0/24", "prefix: 172.30.1.9/24");
    assert!(text.starts_with("network map, line 22: ") && text.contains("write `172.30.1.0/24`"), "{text}");
    let text = error("prefix: 172.30.1.0/24", "prefix: 172.30.1.0/240");
    assert!(text.starts_with("network map, line 22: ") && text.contains("is not an IPv4 prefix"), "{text}");
    let text = error("prefix: 172.30.1.0/24", "prefix: \"fd00::/64\"");
    assert!(text.starts_with("network map, line 22: ") && text.contains("IPv6"), "{text}");
}

#[test]
fn a_serving_route_that_does_not_cover_the_network_is_refused() {
    let text = error("served_by: 172.30.0.0/16", "served_by: 172.31.0.0/16");
    assert!(text.contains("line 30: `served_by: 172.31.0.0/16` does not cover network `app` 172.30.1.0/24"), "{text}");
}

#[test]
fn a_next_hop_that_the_table_cannot_hold_is_refused() {
    let text = error("kind: attachment, id: tgw-attach-0000000b", "kind: vpc_peering, id: pcx-0000000b");
    assert!(
        text.contains("line 31: a transit gateway route table cannot hold `vpc_peering`; use `attachment`"),
        "{text}"
    );
    let text = error("id: tgw-rtb-0000000a", "id: rtb-0000000a");
    assert!(text.contains("a VPC route table cannot hold `attachment`; use `tgw`, `vpc_peering`"), "{text}");
    let vpc = MAP
        .replace("id: tgw-rtb-0000000a", "id: rtb-0000000a")
        .replace("{kind: attachment, id: tgw-attach-0000000b}", "{kind: tgw, id: tgw-0000000b}");
    assert!(NetworkMap::parse(&vpc).is_ok());
    let text = NetworkMap::parse(&vpc.replace("{kind: tgw, id: tgw-0000000b}", "{kind: blackhole}")).unwrap_err();
    assert!(text.message.contains("a VPC route table cannot hold `blackhole`"), "{text}");
    let listed = vpc.replace("    next_hops:", "    prefix_list: pl-0000000a\n    next_hops:");
    let text = NetworkMap::parse(&listed).unwrap_err();
    assert!(text.message.contains("`prefix_list` is for transit gateway route tables"), "{text}");
}

#[test]
fn an_aggregate_covers_every_network_of_its_table() {
    let text = error("    next_hops:", "    aggregate: 172.31.0.0/16\n    next_hops:");
    assert!(text.contains("`aggregate: 172.31.0.0/16` does not cover network `app` 172.30.1.0/24"), "{text}");
    let both = "    aggregate: 172.30.0.0/16\n    prefix_list: pl-0000000a\n    next_hops:";
    assert!(error("    next_hops:", both).contains("either `aggregate` or `prefix_list`"));
    let narrow = MAP.replace("served_by: 172.30.0.0/16", "served_by: 172.30.0.0/20");
    let text = NetworkMap::parse(&narrow.replace("    next_hops:", "    aggregate: 172.30.0.0/16\n    next_hops:"));
    assert!(text.unwrap_err().message.contains("does not cover the aggregate 172.30.0.0/16"));
    assert!(NetworkMap::parse(&MAP.replace("    next_hops:", "    aggregate: 172.30.0.0/16\n    next_hops:")).is_ok());
}

#[test]
fn a_matrix_that_loops_by_itself_is_found_when_the_map_is_loaded() {
    let second = "  osaka:\n    account: main\n    region: ap-northeast-3\n    id: tgw-rtb-0000000b\n    next_hops:\n      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}\n      nc2-tokyo: {kind: peering, id: tgw-attach-0000000d}\nvantages:\n";
    let good = MAP.replace("vantages:\n", second);
    assert!(NetworkMap::parse(&good).is_ok());
    let bad = good.replace(
        "nc2-tokyo: {kind: attachment, id: tgw-attach-0000000b}",
        "nc2-tokyo: {kind: peering, id: tgw-attach-0000000d}",
    );
    let text = NetworkMap::parse(&bad).unwrap_err().to_string();
    assert!(text.contains("for site `nc2-tokyo` the tables lead in a circle: `osaka` -> `tokyo` -> `osaka`"), "{text}");
}

/// The map with these tables: name, Region, and where it leads `nc2-tokyo`; and a section more.
fn column(tables: &[(&str, &str, &str)], also: &str) -> Result<NetworkMap, MapError> {
    let mut text = String::from("route_tables:\n");
    for (at, (name, region, hop)) in tables.iter().enumerate() {
        text.push_str(&format!(
            "  {name}: {{account: main, region: {region}, id: tgw-rtb-0000001{at}, next_hops: {{ec2-tokyo: {{kind: absent, served_by: 172.30.0.0/16}}, nc2-tokyo: {hop}}}}}\n"
        ));
    }
    let (head, rest) = MAP.split_once("route_tables:\n").unwrap();
    let (_, tail) = rest.split_once("vantages:\n").unwrap();
    NetworkMap::parse(&format!("{head}{text}{also}vantages:\n{tail}"))
}

#[test]
fn a_circle_over_three_regions_is_found() {
    let [first, second, third] = ["d", "e", "f"].map(|n| format!("{{kind: peering, id: tgw-attach-0000000{n}}}"));
    let own = "{kind: attachment, id: tgw-attach-0000000b}".to_owned();
    let tables = |tokyo: &str, osaka: &str, seoul: &str| {
        let all = [
            ("tokyo", "ap-northeast-1", tokyo),
            ("osaka", "ap-northeast-3", osaka),
            ("seoul", "ap-northeast-2", seoul),
        ];
        column(&all.into_iter().filter(|(_, _, hop)| !hop.is_empty()).collect::<Vec<_>>(), "")
    };
    let text = tables(&first, &second, &third).unwrap_err().to_string();
    assert!(text.contains("for site `nc2-tokyo` the tables lead in a circle: `osaka` -> `seoul` -> `osaka`"), "{text}");
    tables(&own, &second, &third).unwrap();
    // What Tokyo's own table does is not known here.
    tables("", &second, &third).unwrap();
}

#[test]
fn a_peering_inside_of_a_region_that_ends_there_is_no_circle() {
    let (within, over) = ("{kind: peering, id: tgw-attach-0000000d}", "{kind: peering, id: tgw-attach-0000000e}");
    let own = "{kind: attachment, id: tgw-attach-0000000b}";
    let [first, osaka] = [("first", "ap-northeast-1", within), ("osaka", "ap-northeast-3", over)];
    column(&[first, ("second", "ap-northeast-1", own), osaka], "").unwrap();
    let text = column(&[first, ("second", "ap-northeast-1", within), osaka], "").unwrap_err().to_string();
    assert!(text.contains("for site `nc2-tokyo` the tables lead in a circle: `first` -> "), "{text}");
}

#[test]
fn a_circle_through_an_inspection_vpc_is_found() {
    let wall = "pass_through:\n  wall: {account: main, region: ap-northeast-1, enters: tgw-attach-0000000e, leaves: tgw-attach-0000000e}\n";
    let (into, over) = ("{kind: attachment, id: tgw-attach-0000000e}", "{kind: peering, id: tgw-attach-0000000d}");
    let spokes = ("spokes", "ap-northeast-1", into);
    let osaka = ("osaka", "ap-northeast-3", over);
    let text = column(&[spokes, ("firewall", "ap-northeast-1", over), osaka], wall).unwrap_err().to_string();
    assert!(
        text.contains("for site `nc2-tokyo` the tables lead in a circle: `firewall` -> `osaka` -> `firewall`"),
        "{text}"
    );
    let own = "{kind: attachment, id: tgw-attach-0000000b}";
    column(&[spokes, ("firewall", "ap-northeast-1", own), osaka], wall).unwrap();
    // The firewall's own table is not declared: what it does is not known here.
    column(&[spokes], wall).unwrap();
}

#[test]
fn a_circle_through_a_vpc_whose_attachment_is_named_is_found() {
    let tables = |hop: &str, behind: &str| {
        let served = "ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}";
        let vpc = format!(
            "  nodes:\n    account: main\n    region: ap-northeast-1\n    id: rtb-0000000a\n{behind}    next_hops:\n      {served}\n      nc2-tokyo: {hop}\nvantages:\n"
        );
        NetworkMap::parse(&MAP.replace("vantages:\n", &vpc))
    };
    let (back, behind) = ("{kind: tgw, id: tgw-0000000a}", "    attachment: tgw-attach-0000000b\n");
    let text = tables(back, behind).unwrap_err().to_string();
    assert!(text.contains("for site `nc2-tokyo` the tables lead in a circle: `nodes` -> `tokyo` -> `nodes`"), "{text}");
    tables("{kind: eni, id: eni-0000000a}", behind).unwrap();
    // Another attachment's VPC is not on the way, and whose table this is was not said.
    tables(back, "    attachment: tgw-attach-0000000c\n").unwrap();
    tables(back, "").unwrap();
    let text = error("    next_hops:\n", "    attachment: tgw-attach-0000000b\n    next_hops:\n");
    assert!(text.contains("`attachment: tgw-attach-0000000b` is for VPC route tables"), "{text}");
}

#[test]
fn further_entries_and_pass_through_nodes_are_checked() {
    let entry = "    enters: tgw-attach-0000000c\n    or_enters:\n      - {account: main, region: ap-northeast-3, attachment: tgw-attach-0000000d, advertised: {kind: bgp}}\n";
    let map = NetworkMap::parse(&MAP.replace("    enters: tgw-attach-0000000c\n", entry)).unwrap();
    assert_eq!(map.scopes().len(), 2);
    let text = error("    enters: tgw-attach-0000000c\n", &entry.replace("account: main", "account: other"));
    assert!(text.contains("account `other` is not under `accounts`"), "{text}");
    let whole = MAP.replace("{kind: tags, tags: {Wave: \"1\"}}", "{kind: network, name: application}");
    assert!(NetworkMap::parse(&whole).unwrap_err().message.contains("network `application` is not under `networks`"));
    let node = "pass_through:\n  wall: {account: other, region: ap-northeast-1, enters: tgw-attach-0000000e, leaves: tgw-attach-0000000e}\nwaves:\n";
    assert!(error("waves:\n", node).contains("account `other` is not under `accounts`"));
    let site = MAP.replace("    next_hops:", "    propagations: {ec2-kyoto: tgw-attach-0000000a}\n    next_hops:");
    assert!(NetworkMap::parse(&site).unwrap_err().message.contains("site `ec2-kyoto` is not under `sites`"));
}
