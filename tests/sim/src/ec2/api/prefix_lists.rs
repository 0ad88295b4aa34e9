//! Customer-managed prefix lists.
//!
//! Sources: EC2 API reference, `CreateManagedPrefixList` and `ModifyManagedPrefixList` (100 entries a request, versions);
//! Amazon VPC user guide, "Managed prefix lists"; texts as seen on AWS: hashicorp/terraform-provider-aws issues 26034
//! (`InvalidParameterCombination`), 43528 (`PrefixListVersionMismatch`), 20991 (`delete-failed`), pull request 49955
//! (entries per request).

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::{
    super::{Kind, PrefixList, PrefixListChange, PrefixListState, state::Entries},
    Cx, Ec2Error, Result,
    params::{PageLimits, one},
    tags,
    xml::Xml,
};

/// Entries that one request may add, and that it may remove.
const ENTRIES_PER_REQUEST: usize = 100;

/// Most entries of a list.
const MOST_ENTRIES: usize = 1_000;

/// Pages of prefix lists and of their entries.
const PAGES: PageLimits = PageLimits { least: 1, most: 100, default: 100 };

/// A prefix list of the called Region that the caller owns or that was shared with it.
pub(super) fn open_list<'a>(cx: &'a Cx<'_>, id: &str) -> Result<&'a PrefixList> {
    let found = cx.world.ec2.prefix_lists.get(id);
    let found = found.filter(|it| it.home.region == cx.caller.region && it.is_open_to(&cx.caller.account));
    found.ok_or_else(|| Ec2Error::not_found(Kind::PrefixList, id))
}

/// The caller's own list that the request names, not on its way.
fn own_list(cx: &Cx<'_>) -> Result<(String, PrefixList)> {
    let id = cx.params.id("PrefixListId", Kind::PrefixList)?;
    let list = open_list(cx, id)?;
    if !cx.owns(&list.home) {
        let message = format!("You are not authorized to change prefix list {id}, which {} owns.", list.home.account);
        return Err(Ec2Error { status: 403, code: "UnauthorizedOperation".into(), message });
    }
    if let PrefixListState::InProgress(..) = list.state {
        let message = format!("The prefix list '{id}' is in the state '{}'.", list.state);
        return Err(Ec2Error::state(message));
    }
    Ok((id.to_owned(), list.clone()))
}

/// `Name.N.Cidr` and `Name.N.Description`.
fn entries(cx: &Cx<'_>, name: &str) -> Result<Entries> {
    let count = cx.params.structures(name);
    if count > ENTRIES_PER_REQUEST {
        let message = format!("The number of entries per request cannot exceeds limit ({ENTRIES_PER_REQUEST}).");
        return Err(Ec2Error::value(message));
    }
    let mut entries = Entries::new();
    for n in 1..=count {
        let prefix: Ipv4Net = cx.params.prefix(&format!("{name}.{n}.Cidr"))?;
        let description = cx.params.get(&format!("{name}.{n}.Description")).map(str::to_owned);
        if entries.insert(prefix, description).is_some() {
            return Err(Ec2Error::value(format!("The CIDR {prefix} is given twice.")));
        }
    }
    Ok(entries)
}

fn too_many(most: usize) -> Ec2Error {
    let message = format!("You have reached the maximum number of entries for the prefix list: {most}.");
    Ec2Error::new("PrefixListMaxEntriesExceeded", message)
}

fn max_entries(cx: &Cx<'_>) -> Result<Option<usize>> {
    let asked: Option<usize> = cx.params.parse("MaxEntries")?;
    if asked.is_some_and(|most| most == 0 || most > MOST_ENTRIES) {
        return Err(Ec2Error::value(format!("The maximum of entries must be between 1 and {MOST_ENTRIES}.")));
    }
    Ok(asked)
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let name = cx.params.need("PrefixListName")?.to_owned();
    if cx.params.need("AddressFamily")? != "IPv4" {
        return Err(Ec2Error::new("UnsupportedOperation", "Only address family IPv4 is simulated."));
    }
    let max_entries = max_entries(cx)?.ok_or_else(|| Ec2Error::missing("MaxEntries"))?;
    let entries = entries(cx, "Entry")?;
    if entries.len() > max_entries {
        return Err(too_many(max_entries));
    }
    let list = PrefixList {
        home: cx.home(),
        name,
        max_entries,
        version: 1,
        applied: 1,
        versions: BTreeMap::from([(1, entries)]),
        state: PrefixListState::changing(PrefixListChange::Create, cx.switches.prefix_list_pending_reads),
        shared_with: Default::default(),
        created: cx.now,
        tags: cx.params.tag_specification("prefix-list"),
    };
    let id = cx.new_id("pl");
    Ok(put(cx, id, list))
}

fn put(cx: &mut Cx<'_>, id: String, list: PrefixList) -> Xml {
    let mut xml = Xml::default();
    xml.node("prefixList", |xml| write(xml, &id, &list));
    cx.ec2().prefix_lists.insert(id, list);
    xml
}

fn write(xml: &mut Xml, id: &str, list: &PrefixList) {
    let PrefixList { home, name, max_entries, version, state, .. } = list;
    xml.text("prefixListId", id)
        .text("addressFamily", "IPv4")
        .text("state", state)
        .text("prefixListArn", format!("arn:aws:ec2:{}:{}:prefix-list/{id}", home.region, home.account))
        .text("prefixListName", name)
        .text("maxEntries", max_entries)
        .text("version", version)
        .text("ownerId", &home.account);
    if let PrefixListState::Failed(_, why) = state {
        xml.text("stateMessage", why);
    }
    tags::write(xml, &list.tags);
}

pub(super) fn modify(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut list) = own_list(cx)?;
    let add = entries(cx, "AddEntry")?;
    let remove = entries(cx, "RemoveEntry")?;
    let asked: Option<u64> = cx.params.parse("CurrentVersion")?;
    let size = max_entries(cx)?;
    let reads = cx.switches.prefix_list_pending_reads;
    list.state = PrefixListState::changing(PrefixListChange::Modify, reads);
    if let Some(name) = cx.params.get("PrefixListName") {
        name.clone_into(&mut list.name);
    }
    if asked.is_some_and(|asked| asked != list.version) {
        let message = "The prefix list has the incorrect version number.";
        return Err(Ec2Error::new("PrefixListVersionMismatch", message));
    }
    if add.is_empty() && remove.is_empty() {
        if let Some(size) = size {
            resize(cx, &id, &mut list, size);
        }
        return Ok(put(cx, id, list));
    }
    if size.is_some() {
        let message = "You cannot modify the entries and the maximum entries for the prefix list in the same request.";
        return Err(Ec2Error::new("InvalidParameterCombination", message));
    }
    if asked.is_none() {
        return Err(Ec2Error::missing("CurrentVersion"));
    }
    let mut entries = list.entries().clone();
    let wrong = |message: String| Err(Ec2Error::new("InvalidPrefixListModification", message));
    for prefix in remove.keys() {
        if entries.remove(prefix).is_none() {
            return wrong(format!("The CIDR {prefix} is not an entry of the prefix list."));
        }
    }
    for (prefix, description) in add {
        if entries.insert(prefix, description).is_some() {
            return wrong(format!("The CIDR {prefix} is an entry of the prefix list already."));
        }
    }
    if entries.len() > list.max_entries {
        return Err(too_many(list.max_entries));
    }
    new_version(cx, &mut list, entries);
    Ok(put(cx, id, list))
}

fn new_version(cx: &Cx<'_>, list: &mut PrefixList, entries: Entries) {
    list.version += 1;
    list.versions.insert(list.version, entries);
    if !cx.switches.prefix_lists_apply_late || cx.switches.prefix_list_pending_reads == 0 {
        list.applied = list.version;
    }
}

/// Another size. Where a table that refers to the list has no room, the change fails as a state.
fn resize(cx: &Cx<'_>, id: &str, list: &mut PrefixList, size: usize) {
    let ec2 = &cx.world.ec2;
    let before = list.max_entries;
    let fits = |counted: usize, most: usize| counted.saturating_sub(before) + size <= most;
    let full = ec2.references(id).into_iter().find(|table| {
        let vpc = ec2.route_tables.get(*table);
        let tgw = ec2.tgw_route_tables.get(*table);
        vpc.is_some_and(|table| !fits(ec2.vpc_routes_counted(table), cx.switches.routes_per_table))
            || tgw
                .is_some_and(|table| !fits(ec2.tgw_routes_counted(&table.tgw), cx.switches.routes_per_transit_gateway))
    });
    let failed = |why| PrefixListState::Failed(PrefixListChange::Modify, why);
    if size < list.entries().len() {
        list.state = failed(format!("The prefix list has {} entries.", list.entries().len()));
    } else if let Some(table) = full {
        list.state = failed(format!("The following resources do not support the new maximum size: {table}"));
    } else {
        list.max_entries = size;
    }
}

/// The entries of an older version, as a new one.
pub(super) fn restore(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut list) = own_list(cx)?;
    let previous: u64 = cx.params.parse("PreviousVersion")?.ok_or_else(|| Ec2Error::missing("PreviousVersion"))?;
    let current: u64 = cx.params.parse("CurrentVersion")?.ok_or_else(|| Ec2Error::missing("CurrentVersion"))?;
    if current != list.version {
        let message = "The prefix list has the incorrect version number.";
        return Err(Ec2Error::new("PrefixListVersionMismatch", message));
    }
    let entries = version(&list, previous)?.clone();
    if entries.len() > list.max_entries {
        return Err(too_many(list.max_entries));
    }
    new_version(cx, &mut list, entries);
    list.state = PrefixListState::changing(PrefixListChange::Restore, cx.switches.prefix_list_pending_reads);
    Ok(put(cx, id, list))
}

fn version(list: &PrefixList, number: u64) -> Result<&Entries> {
    let known = list.version;
    let wrong = || Ec2Error::value(format!("The prefix list has no version {number}; the current one is {known}."));
    list.versions.get(&number).ok_or_else(wrong)
}

/// A list that is referred to stays, and says why.
pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut list) = own_list(cx)?;
    let users = cx.world.ec2.references(&id).join(", ");
    let reads = cx.switches.prefix_list_pending_reads;
    if users.is_empty() && reads == 0 {
        list.state = PrefixListState::Complete(PrefixListChange::Delete);
        let xml = put(cx, id.clone(), list);
        cx.ec2().prefix_lists.remove(&id);
        return Ok(xml);
    }
    list.state = if users.is_empty() {
        PrefixListState::InProgress(PrefixListChange::Delete, reads)
    } else {
        let why = format!("The following resources refer to the prefix list: {users}");
        PrefixListState::Failed(PrefixListChange::Delete, why)
    };
    Ok(put(cx, id, list))
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&["owner-id", "prefix-list-id", "prefix-list-name", "tag-key"])?;
    let ids = cx.params.ids("PrefixListId", Kind::PrefixList)?;
    for id in &ids {
        open_list(cx, id)?;
    }
    let lists = &cx.world.ec2.prefix_lists;
    let found = lists
        .iter()
        .filter(|(id, list)| {
            open_list(cx, id).is_ok()
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&list.tags, |filter| match filter {
                    "owner-id" => one(&list.home.account),
                    "prefix-list-id" => one(id),
                    _ => one(&list.name),
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("prefixListSet", &page, |xml, id| {
        if let Some(list) = lists.get(id) {
            write(xml, id, list);
        }
    });
    xml.maybe("nextToken", next);
    for id in &page {
        let Some(list) = cx.ec2().prefix_lists.get_mut(id) else { continue };
        list.see();
        if list.state == PrefixListState::Complete(PrefixListChange::Delete) {
            cx.ec2().prefix_lists.remove(id);
        }
    }
    Ok(xml)
}

pub(super) fn get_entries(cx: &mut Cx<'_>) -> Result<Xml> {
    let list = open_list(cx, cx.params.id("PrefixListId", Kind::PrefixList)?)?;
    let wanted = cx.params.parse("TargetVersion")?.unwrap_or(list.version);
    let (page, next) = cx.params.page(version(list, wanted)?.iter().collect(), PAGES)?;
    let mut xml = Xml::default();
    xml.set("entrySet", page, |xml, (prefix, description)| {
        xml.text("cidr", prefix).maybe("description", description.as_ref());
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}
