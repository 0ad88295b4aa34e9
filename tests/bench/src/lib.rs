//! The world that planning is measured on: many networks, routed by many tables for clients at many entries. Simulated days are in [`day`].

pub mod day;

use holdfast_model::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, EniId, NetworkMap, Picture, Prefix, Region, RouteOrigin,
    RouteState, RouteTableId, Scope, SubnetId, TgwId, TgwRoute, TgwTable, Vpc, VpcId, VpcRoute, VpcSubnet, VpcTable,
    VpcTarget,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;

/// Size of a world.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Networks, each a /24.
    pub networks: u32,
    /// Transit gateway route tables, each of the entry of some clients.
    pub tables: u32,
    /// On-premises sites, each with an entry of its own.
    pub vantages: u32,
}

type Failed = Box<dyn Error>;

const REGION: &str = "eu-west-1";
const TGW: &str = "tgw-00000001";

fn attachment(name: &str) -> Result<AttachmentId, Failed> {
    Ok(AttachmentId::parse(format!("tgw-attach-{name:0>8}"))?)
}

fn table(number: u32) -> String {
    format!("tgw-rtb-{number:08}")
}

fn prefix(number: u32) -> String {
    format!("100.{}.{}.0/24", 64 + number / 256, number % 256)
}

/// The network map: two sites on one transit gateway.
///
/// # Errors
/// A size that makes no legal map.
pub fn map(size: Size) -> Result<NetworkMap, Failed> {
    let mut text = String::from(
        "schema_version: 1\naccounts:\n  main: { id: \"111122223333\" }\nprism_centrals:\n  pc: { endpoint: \"https://10.1.1.5:9440\", secret: pc, trust: { kind: web_roots }, region: eu-west-1 }\nsites:\n",
    );
    for site in ["a", "b"] {
        writeln!(
            text,
            "  {site}: {{ kind: nc2, account: main, region: {REGION}, vpc: vpc-0000000{site}, prism_central: pc, fvn_vpc: apps, cluster: {site} }}"
        )?;
    }
    text.push_str("networks:\n");
    for n in 0..size.networks {
        writeln!(text, "  n{n:04}: {{ prefix: {}, subnets: {{ a: n{n}, b: n{n} }} }}", prefix(n))?;
    }
    text.push_str("route_tables:\n");
    for n in 0..size.tables {
        writeln!(text, "  t{n}:\n    account: main\n    region: {REGION}\n    id: {}\n    next_hops:", table(n))?;
        for site in ["a", "b"] {
            writeln!(text, "      {site}: {{ kind: attachment, id: {} }}", attachment(site)?)?;
        }
    }
    text.push_str("vantages:\n");
    for n in 0..size.vantages {
        writeln!(
            text,
            "  v{n}: {{ kind: on_premises, prefixes: [192.168.{n}.0/24], account: main, region: {REGION}, enters: {} }}",
            attachment(&format!("e{n}"))?
        )?;
    }
    NetworkMap::parse(&text).map_err(|errors| format!("{errors:?}").into())
}

/// What is read of that world while every network is at site `a`.
///
/// # Errors
/// A size that makes no legal ids.
pub fn picture(size: Size) -> Result<Picture, Failed> {
    let mut picture = Picture::empty(Timestamp::UNIX_EPOCH);
    let scope = Scope { account: holdfast_model::AccountName::parse("main")?, region: Region::parse(REGION)? };
    let tgw = TgwId::parse(TGW)?;
    let mut attachments = BTreeMap::new();
    let mut insert = |id: AttachmentId, kind: AttachmentKind, association: RouteTableId| {
        let attachment = Attachment {
            id: id.clone(),
            name: None,
            region: scope.region.clone(),
            tgw: tgw.clone(),
            kind,
            state: AttachmentState::Available,
            association: Some(association),
        };
        attachments.insert(id, attachment);
    };
    for site in ["a", "b"] {
        let (vpc, subnet) =
            (VpcId::parse(format!("vpc-0000000{site}"))?, SubnetId::parse(format!("subnet-0000000{site}"))?);
        let kind = AttachmentKind::Vpc { vpc: vpc.clone(), subnets: vec![subnet.clone()] };
        insert(attachment(site)?, kind, RouteTableId::parse(table(0))?);
        let own = Prefix::parse(if site == "a" { "10.1.0.0/16" } else { "10.2.0.0/16" })?;
        let main = RouteTableId::parse(format!("rtb-0000000{site}"))?;
        let eni = VpcTarget::Eni { id: EniId::parse(format!("eni-0000000{site}"))? };
        let routes = BTreeMap::from([
            (own, VpcRoute::local()),
            (Prefix::parse("100.64.0.0/12")?, VpcRoute::created(eni)),
            (Prefix::parse("0.0.0.0/0")?, VpcRoute::created(VpcTarget::Tgw { id: tgw.clone() })),
        ]);
        let table = VpcTable { name: None, managed_by: None, routes, hidden: BTreeMap::new() };
        let vpc = Vpc {
            id: vpc.clone(),
            scope: scope.clone(),
            prefixes: vec![own],
            subnets: BTreeMap::from([(subnet, VpcSubnet { prefix: own, table: main.clone(), zone: None })]),
            main: Some(main.clone()),
            tables: BTreeMap::from([(main, table)]),
        };
        picture.vpcs.insert(vpc.id.clone(), vpc);
    }
    for n in 0..size.vantages {
        insert(attachment(&format!("e{n}"))?, AttachmentKind::Vpn, RouteTableId::parse(table(n % size.tables.max(1)))?);
    }
    picture.attachments.insert(scope.region.clone(), attachments);
    let route = |origin, to: &str| {
        Ok::<_, Failed>(TgwRoute { origin, state: RouteState::Active, targets: vec![attachment(to)?] })
    };
    for n in 0..size.tables {
        let mut routes = BTreeMap::new();
        for network in 0..size.networks {
            routes.insert(Prefix::parse(&prefix(network))?, route(RouteOrigin::Static, "a")?);
        }
        for vantage in 0..size.vantages {
            let back = route(RouteOrigin::Propagated, &format!("e{vantage}"))?;
            routes.insert(Prefix::parse(&format!("192.168.{vantage}.0/24"))?, back);
        }
        let id = RouteTableId::parse(table(n))?;
        let table = TgwTable {
            id: id.clone(),
            name: None,
            scope: scope.clone(),
            tgw: tgw.clone(),
            managed_by: None,
            routes,
            references: BTreeMap::new(),
            propagations: Some(BTreeSet::new()),
        };
        picture.tgw_tables.insert(id, table);
    }
    Ok(picture)
}
