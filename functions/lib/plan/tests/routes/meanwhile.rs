//! What became different since networks were last moved: only where before, now and wanted do not agree.

use holdfast_model::{
    AccountName, AttachmentId, Evidence, HostRecord, NetworkName, Prefix, Region, RouteTableId, Scope, SiteName,
    TableName,
};
use holdfast_plan::{Place, Plan, RouteValue, Step, WayBack, meanwhile};
use std::collections::BTreeSet;

fn value(text: &str) -> RouteValue {
    match text {
        "none" => RouteValue::Absent,
        "blackhole" => RouteValue::Blackhole,
        name => {
            let number = ["old", "new", "other", "mine"].iter().position(|known| *known == name).unwrap();
            RouteValue::Static { attachment: AttachmentId::parse(format!("tgw-attach-0000000{number}")).unwrap() }
        }
    }
}

/// A plan of one route, or of none where nothing changes.
fn plan(to: &str, change: Option<(&str, &str)>) -> Plan {
    let networks = BTreeSet::from([NetworkName::parse("app").unwrap()]);
    let step = change.map(|(before, after)| Step {
        table: RouteTableId::parse("tgw-rtb-0000000a").unwrap(),
        name: TableName::parse("hub").unwrap(),
        tag: None,
        scope: Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("eu-west-1").unwrap() },
        networks: networks.clone(),
        place: Place::Route { prefix: Prefix::parse("10.0.0.0/24").unwrap() },
        before: value(before),
        after: value(after),
        why: String::new(),
    });
    let to = SiteName::parse(to).unwrap();
    Plan { networks, to, hosts: None, stages: vec![step.into_iter().collect()] }
}

#[test]
fn a_route_is_told_where_before_now_and_wanted_disagree() {
    #[rustfmt::skip]
    let rows = [
        // the last move                the way back                     what is told
        (Some(("old", "new")),          Some(("new", "old")),            ""),
        (None,                          None,                            ""),
        (Some(("none", "new")),         Some(("new", "none")),           ""),
        (Some(("old", "new")),          Some(("new", "other")),          "was tgw-attach-00000000 before the last move, is tgw-attach-00000001 since, and would become tgw-attach-00000002"),
        (Some(("old", "new")),          Some(("blackhole", "old")),      "was tgw-attach-00000000 before the last move, which left it at tgw-attach-00000001; somebody made it blackhole, and it would become tgw-attach-00000000"),
        (Some(("old", "new")),          None,                            "was tgw-attach-00000000 before the last move, which left it at tgw-attach-00000001; nothing of it is to change now"),
        (None,                          Some(("mine", "old")),           "was not touched by the last move, is tgw-attach-00000003 now, and would become tgw-attach-00000000"),
    ];
    for (last, back, told) in rows {
        let (last, back) = (plan("dublin", last), plan("london", back));
        let found = meanwhile(&WayBack { last: &last, then: None, back: &back, now: None, hosts: &[] });
        let told = match told {
            "" => Vec::new(),
            told => vec![format!("eu-west-1 hub (tgw-rtb-0000000a): route 10.0.0.0/24 {told}")],
        };
        assert_eq!(found, told);
    }
}

#[test]
fn a_machine_is_told_where_it_has_other_addresses_or_is_another_vm_at_the_same_site() {
    let host: HostRecord = serde_json::from_value(serde_json::json!({
        "name": "web-1", "wave": "wave-1", "instance": "i-00000001", "platform": "linux", "captured_at": "2026-01-02T03:04:05Z",
        "guest": null, "nics": [{"device_index": 0, "eni": null, "mac": null, "subnet": null, "primary": "10.0.0.9", "secondary": [], "prefix": "10.0.0.0/24", "network": "app"}]
    }))
    .unwrap();
    let evidence = |runs: &[(&str, &str, &[&str])]| -> Evidence {
        let seen: Vec<_> = runs
            .iter()
            .map(|(site, vm, addresses)| {
                let vm = format!("{vm}1111111-1111-4111-8111-111111111111");
                let nic = serde_json::json!({"nic": vm, "mac": null, "connected": true, "subnet": null, "configured": addresses, "learned": []});
                serde_json::json!({"site": site, "vm": vm, "power": "on", "nics": [nic]})
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "id": "ev-1", "taken_at": "2026-01-02T03:04:05Z", "networks": ["app"], "sites_read": [], "sites_unread": {},
            "hosts": {"web-1": seen}
        }))
        .unwrap()
    };
    let (last, back) = (plan("dublin", None), plan("london", None));
    let told = |then: &[(&str, &str, &[&str])], now: &[(&str, &str, &[&str])]| {
        let (then, now) = (evidence(then), evidence(now));
        let way = WayBack {
            last: &last,
            then: Some(&then),
            back: &back,
            now: Some(&now),
            hosts: std::slice::from_ref(&host),
        };
        meanwhile(&way)
    };
    // Its move is no news, and neither is it to stand still.
    assert_eq!(told(&[("dublin", "a", &["10.0.0.9"])], &[("london", "b", &["10.0.0.9"])]), Vec::<String>::new());
    assert_eq!(told(&[("dublin", "a", &["10.0.0.9"])], &[("dublin", "a", &["10.0.0.9"])]), Vec::<String>::new());
    let other = told(&[("dublin", "a", &["10.0.0.9"])], &[("london", "b", &["10.0.0.9", "10.0.0.10"])]);
    assert_eq!(
        other,
        [
            "web-1: at the last move at `dublin` as VM `a1111111-1111-4111-8111-111111111111` with 10.0.0.9; now at `london` as VM `b1111111-1111-4111-8111-111111111111` with 10.0.0.9, 10.0.0.10; wanted: at `london` with 10.0.0.9"
        ]
    );
    for (then, now) in [
        (&[("dublin", "a", &["10.0.0.9"][..])][..], &[("dublin", "b", &["10.0.0.9"][..])][..]),
        (&[("dublin", "a", &["10.0.0.8"])], &[("london", "b", &["10.0.0.8"])]),
        (&[("dublin", "a", &["10.0.0.9"])], &[]),
        (&[], &[("london", "b", &["10.0.0.9"])]),
        (&[("dublin", "a", &["10.0.0.9"])], &[("london", "b", &["10.0.0.9"]), ("london", "c", &["10.0.0.9"])]),
    ] {
        assert_eq!(told(then, now).len(), 1, "{then:?} {now:?}");
    }
}
