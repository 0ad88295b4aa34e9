//! Request bodies: what the schema of the v4 API demands of them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::address::Wanted;
use super::change::NicWish;
use super::ids::ExtId;
use super::level::Level;
use super::reply::{Refused, Request};
use super::state::NicShape;

/// The JSON object of a request.
///
/// # Errors
/// The body is no JSON object.
pub fn object(request: &Request) -> Result<Value, Refused> {
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(body @ Value::Object(_)) => Ok(body),
        Ok(_) => Err(Refused::body("", "the body is not a JSON object")),
        Err(error) => Err(Refused::body("", format!("the body is not JSON: {error}"))),
    }
}

fn present<'b>(body: &'b Value, path: &str) -> Option<&'b Value> {
    body.pointer(path).filter(|v| !v.is_null())
}

/// A text member, if it is there.
///
/// # Errors
/// It is something else than text.
pub fn text<'b>(body: &'b Value, path: &str) -> Result<Option<&'b str>, Refused> {
    present(body, path).map(|v| v.as_str().ok_or_else(|| Refused::body(path, "must be a string"))).transpose()
}

/// A number member, if it is there.
///
/// # Errors
/// It is something else than a whole number.
pub fn number(body: &Value, path: &str) -> Result<Option<i64>, Refused> {
    present(body, path).map(|v| v.as_i64().ok_or_else(|| Refused::body(path, "must be a number"))).transpose()
}

/// A truth value, if it is there.
///
/// # Errors
/// It is something else.
pub fn flag(body: &Value, path: &str) -> Result<Option<bool>, Refused> {
    present(body, path).map(|v| v.as_bool().ok_or_else(|| Refused::body(path, "must be a boolean"))).transpose()
}

/// A list member; a missing one is empty.
///
/// # Errors
/// It is something else than a list.
pub fn items<'b>(body: &'b Value, path: &str) -> Result<&'b [Value], Refused> {
    present(body, path)
        .map_or(Ok(&[]), |v| v.as_array().map(Vec::as_slice).ok_or_else(|| Refused::body(path, "must be a list")))
}

/// A UUID member, if it is there.
///
/// # Errors
/// It is no UUID.
pub fn ext_id(body: &Value, path: &str) -> Result<Option<ExtId>, Refused> {
    let parse = |t| ExtId::parse(t).ok_or_else(|| Refused::body(path, format!("`{t}` is not a UUID")));
    text(body, path)?.map(parse).transpose()
}

/// A member that must be there.
///
/// # Errors
/// It is not.
pub fn required<T>(value: Option<T>, path: &str) -> Result<T, Refused> {
    value.ok_or_else(|| Refused::body(path, "is required"))
}

/// An IPv4 address as `{"value": ".."}`, if it is there.
///
/// # Errors
/// It is no IPv4 address.
pub fn address(body: &Value, path: &str) -> Result<Option<Ipv4Addr>, Refused> {
    if present(body, path).is_none() {
        return Ok(None);
    }
    let path = format!("{path}/value");
    let value = required(text(body, &path)?, &path)?;
    value.parse().map(Some).map_err(|_| Refused::body(path, format!("`{value}` is not an IPv4 address")))
}

/// A prefix as `{"ip": {"value": ".."}, "prefixLength": 24}`, if it is there.
///
/// # Errors
/// It is no IPv4 prefix.
pub fn prefix(body: &Value, path: &str) -> Result<Option<Ipv4Net>, Refused> {
    if present(body, path).is_none() {
        return Ok(None);
    }
    let ip = required(address(body, &format!("{path}/ip"))?, &format!("{path}/ip"))?;
    let length_path = format!("{path}/prefixLength");
    let length = required(number(body, &length_path)?, &length_path)?;
    let net = u8::try_from(length).ok().and_then(|length| Ipv4Net::new(ip, length).ok());
    net.map(|net| Some(net.trunc()))
        .ok_or_else(|| Refused::body(length_path, format!("{length} is not a prefix length")))
}

fn one_of(body: &Value, path: &str, name: &str, allowed: &[&str]) -> Result<Option<String>, Refused> {
    let full = format!("{path}/{name}");
    match text(body, &full)? {
        Some(value) if !allowed.contains(&value) => {
            Err(Refused::body(full, format!("`{value}` is not one of {allowed:?}")))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    parts.len() == 6 && parts.iter().all(|p| p.len() == 2 && p.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Reads one pair of members of a NIC, at the given names.
fn nic_pair(body: &Value, backing: &str, network: &str) -> Result<NicWish, Refused> {
    let default = NicShape::default();
    let mac_path = format!("{backing}/macAddress");
    let mac = text(body, &mac_path)?.map(|mac| mac.to_ascii_lowercase().replace('-', ":"));
    if let Some(mac) = mac.as_ref().filter(|m| !is_mac(m)) {
        return Err(Refused::body(mac_path, format!("`{mac}` is not a MAC address")));
    }
    // The lowest bit of the first octet marks a group of receivers (IEEE 802).
    let group = |mac: &String| mac.get(..2).and_then(|o| u8::from_str_radix(o, 16).ok()).is_some_and(|o| o & 1 == 1);
    if let Some(mac) = mac.as_ref().filter(|mac| group(mac)) {
        return Err(Refused::body(mac_path, format!("`{mac}` is not the MAC address of one NIC")));
    }
    let subnet_path = format!("{network}/subnet/extId");
    let subnet = required(ext_id(body, &subnet_path)?, &subnet_path)?;
    let config = format!("{network}/ipv4Config");
    let should = flag(body, &format!("{config}/shouldAssignIp"))?;
    let wanted = match (should, address(body, &format!("{config}/ipAddress"))?) {
        (Some(false), _) => Wanted::Nothing,
        (_, Some(address)) => Wanted::Exactly(address),
        (_, None) => Wanted::Any,
    };
    let list = format!("{config}/secondaryIpAddressList");
    let secondary = present(body, &list).map(|_| {
        let count = items(body, &list)?.len();
        (0..count).map(|n| format!("{list}/{n}")).map(|path| required(address(body, &path)?, &path)).collect()
    });
    let kinds = ["NORMAL_NIC", "DIRECT_NIC", "NETWORK_FUNCTION_NIC", "SPAN_DESTINATION_NIC"];
    let trunked_path = format!("{network}/trunkedVlans");
    let trunked = items(body, &trunked_path)?
        .iter()
        .map(|v| v.as_i64().ok_or_else(|| Refused::body(trunked_path.as_str(), "must be numbers")))
        .collect::<Result<Vec<_>, _>>()?;
    let shape = NicShape {
        connected: flag(body, &format!("{backing}/isConnected"))?.unwrap_or(default.connected),
        kind: one_of(body, network, "nicType", &kinds)?.unwrap_or(default.kind),
        vlan_mode: one_of(body, network, "vlanMode", &["ACCESS", "TRUNK"])?.unwrap_or(default.vlan_mode),
        trunked,
        unknown_macs: flag(body, &format!("{network}/shouldAllowUnknownMacs"))?.unwrap_or(default.unknown_macs),
        function_chain: ext_id(body, &format!("{network}/networkFunctionChain/extId"))?,
        function_kind: one_of(body, network, "networkFunctionNicType", &["INGRESS", "EGRESS", "TAP"])?,
        model: one_of(body, backing, "model", &["VIRTIO", "E1000"])?,
        queues: number(body, &format!("{backing}/numQueues"))?.unwrap_or(default.queues),
    };
    Ok(NicWish { mac, subnet, wanted, secondary: secondary.transpose()?, shape })
}

fn agree(one: &NicWish, other: &NicWish) -> bool {
    let macs = one.mac.as_ref().zip(other.mac.as_ref()).is_none_or(|(a, b)| a == b);
    let addresses = !matches!((one.wanted, other.wanted), (Wanted::Exactly(a), Wanted::Exactly(b)) if a != b);
    let secondary = one.secondary.as_ref().zip(other.secondary.as_ref()).is_none_or(|(a, b)| a == b);
    macs && addresses && secondary && one.subnet == other.subnet && one.shape == other.shape
}

/// A NIC as a client describes it.
pub struct NicBody {
    /// What the newer members say, where they are given.
    pub wish: NicWish,
    /// What the older members say, where they are given too and contradict the newer ones.
    pub torn: Option<NicWish>,
}

impl NicBody {
    /// The one thing that the body says.
    ///
    /// # Errors
    /// The two forms contradict each other.
    pub fn whole(self) -> Result<NicWish, Refused> {
        match self.torn {
            Some(_) => Err(Refused::body("/nicBackingInfo", "the two forms of the NIC contradict each other")),
            None => Ok(self.wish),
        }
    }
}

/// Reads a NIC at `path` of the body.
///
/// At v4.0 and its betas a NIC has `backingInfo` and `networkInfo` only. From v4.1 on `nicBackingInfo` and `nicNetworkInfo` are the
/// same as one-of members, told apart by `$objectType`; the old ones still work.
///
/// # Errors
/// A member is missing, unknown at this level or has a wrong value.
pub fn nic(body: &Value, path: &str, level: Level) -> Result<NicBody, Refused> {
    let at = |name: &str| format!("{path}/{name}");
    let is_there = |name: &str| present(body, &at(name)).is_some();
    let members = ["nicBackingInfo", "nicNetworkInfo"];
    if level < Level::Minor(1)
        && let Some(name) = members.into_iter().find(|n| is_there(n))
    {
        return Err(Refused::body(at(name), format!("is not a member of Nic at {level}")));
    }
    for (name, kind) in members.into_iter().zip(["VirtualEthernetNic", "VirtualEthernetNicNetworkInfo"]) {
        let type_path = format!("{}/$objectType", at(name));
        let wanted = format!("vmm.v4.ahv.config.{kind}");
        if is_there(name) && text(body, &type_path)? != Some(wanted.as_str()) {
            return Err(Refused::body(type_path, format!("must tell which kind it is; only `{wanted}` is simulated")));
        }
    }
    let newest = |new, old| if is_there(new) { at(new) } else { at(old) };
    let oldest = |new, old| if is_there(old) { at(old) } else { at(new) };
    let wish = nic_pair(body, &newest("nicBackingInfo", "backingInfo"), &newest("nicNetworkInfo", "networkInfo"))?;
    let other = nic_pair(body, &oldest("nicBackingInfo", "backingInfo"), &oldest("nicNetworkInfo", "networkInfo"))?;
    let torn = (!agree(&wish, &other)).then_some(other);
    Ok(NicBody { wish, torn })
}
