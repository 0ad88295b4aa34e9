//! NICs: read from either pair of members, written as the level wants them.

use std::net::Ipv4Addr;

use holdfast_model::{ExtId, MacAddress};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::Body;
use crate::json::{ext_id, ipv4, ipv4_list, mac, text};
use crate::prism::api::{NicApi, VmApi};
use crate::prism::v4::level::{Level, Namespace};
use crate::prism::v4::vms::Change;
use crate::prism::v4::{V4, Vm};
use crate::{NutanixError, TimeLimit};

/// A NIC of a VM.
#[derive(Debug, Clone, PartialEq)]
pub struct Nic {
    /// The NIC.
    pub id: ExtId,
    /// MAC address.
    pub mac: Option<MacAddress>,
    /// Whether the link is up.
    pub connected: bool,
    /// Its subnet.
    pub subnet: Option<ExtId>,
    /// Addresses that Prism Central gave it, the primary one first. Empty for a while after a change.
    pub configured: Vec<Ipv4Addr>,
    /// Addresses that the guest was seen to use, link-local ones left out.
    pub learned: Vec<Ipv4Addr>,
    raw: Value,
}

/// What a NIC is created with; kept in a journal, it is all that is needed to create it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateNic {
    /// MAC address: of our choice, so that the new NIC is known by it and the guest keeps its adapter.
    pub mac: MacAddress,
    /// Subnet.
    pub subnet: ExtId,
    /// Address; none leaves the choice to the subnet's pool.
    pub address: Option<Ipv4Addr>,
    /// Further addresses on the subnet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary: Vec<Ipv4Addr>,
    /// Model, as `VIRTIO`.
    pub model: Option<String>,
    /// Number of queues.
    pub queues: Option<u64>,
    /// Type, as `NORMAL_NIC`.
    pub nic_type: Option<String>,
    /// VLAN mode, as `ACCESS`.
    pub vlan_mode: Option<String>,
    /// VLANs of a trunk; a trunk without any carries all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trunked_vlans: Vec<u64>,
    /// Chain of network functions that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_chain: Option<ExtId>,
    /// Its part in the chain, as `INGRESS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_type: Option<String>,
    /// Whether frames from other MAC addresses are let out.
    pub unknown_macs: Option<bool>,
}

impl Nic {
    /// Reads a NIC from its v4 document; none for one without id.
    #[must_use]
    pub fn parse(value: &Value) -> Option<Self> {
        let backing = value.get("nicBackingInfo").filter(|v| v.is_object()).or_else(|| value.get("backingInfo"));
        let network = value.get("nicNetworkInfo").filter(|v| v.is_object()).or_else(|| value.get("networkInfo"));
        let (backing, network) = (backing.unwrap_or(&Value::Null), network.unwrap_or(&Value::Null));
        let primary = network.pointer("/ipv4Config/ipAddress").and_then(ipv4);
        let secondary = ipv4_list(network, "/ipv4Config/secondaryIpAddressList");
        let mut learned = ipv4_list(network, "/ipv4Info/learnedIpAddresses");
        learned.retain(|address| !address.is_link_local());
        Some(Self {
            id: ext_id(value.get("extId"))?,
            mac: mac(backing, "/macAddress"),
            connected: backing.get("isConnected").and_then(Value::as_bool).unwrap_or(true),
            subnet: ext_id(network.get("subnet")),
            configured: primary.into_iter().chain(secondary).collect(),
            learned,
            raw: value.clone(),
        })
    }

    /// Primary address that Prism Central gave it.
    #[must_use]
    pub fn primary(&self) -> Option<Ipv4Addr> {
        let network = self.raw.get("nicNetworkInfo").filter(|v| v.is_object()).or_else(|| self.raw.get("networkInfo"));
        network.and_then(|n| n.pointer("/ipv4Config/ipAddress")).and_then(ipv4)
    }

    /// What creates this NIC again on a subnet with one address; none for a NIC whose MAC address is not known.
    #[must_use]
    pub fn again(&self, subnet: &ExtId, address: Option<Ipv4Addr>) -> Option<CreateNic> {
        let member = |pair: [&str; 2], name: &str| {
            pair.iter().find_map(|p| self.raw.get(p).and_then(|v| v.get(name)).filter(|v| !v.is_null())).cloned()
        };
        let (backing, network) = (["nicBackingInfo", "backingInfo"], ["nicNetworkInfo", "networkInfo"]);
        let vlans = member(network, "trunkedVlans");
        let vlans = vlans.and_then(|v| v.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>());
        let words = |v: Option<Value>| v.and_then(|v| v.as_str().map(str::to_owned));
        Some(CreateNic {
            mac: self.mac.clone()?,
            subnet: subnet.clone(),
            address,
            secondary: Vec::new(),
            model: words(member(backing, "model")),
            queues: member(backing, "numQueues").and_then(|v| v.as_u64()),
            nic_type: words(member(network, "nicType")),
            vlan_mode: words(member(network, "vlanMode")),
            trunked_vlans: vlans.unwrap_or_default(),
            function_chain: ext_id(member(network, "networkFunctionChain").as_ref()),
            function_type: words(member(network, "networkFunctionNicType")),
            unknown_macs: member(network, "shouldAllowUnknownMacs").and_then(|v| v.as_bool()),
        })
    }

    /// This whole NIC with its link up or down, as a PUT wants it.
    fn with_link(&self, connected: bool) -> Value {
        let mut nic = self.as_a_put_wants_it();
        for pair in ["backingInfo", "nicBackingInfo"] {
            if let Some(backing) = nic.get_mut(pair).and_then(Value::as_object_mut) {
                backing.insert("isConnected".to_owned(), connected.into());
            }
        }
        nic
    }

    /// This whole NIC with other secondary addresses, as a PUT wants it.
    fn with_secondary(&self, addresses: &[Ipv4Addr]) -> Value {
        let mut nic = self.as_a_put_wants_it();
        for pair in ["networkInfo", "nicNetworkInfo"] {
            if let Some(config) = nic.pointer_mut(&format!("/{pair}/ipv4Config")).and_then(Value::as_object_mut) {
                config.insert("secondaryIpAddressList".to_owned(), values(addresses));
            }
        }
        nic
    }

    /// This whole NIC: both pairs in step, nothing that is only learned, no nulls.
    fn as_a_put_wants_it(&self) -> Value {
        let mut nic = self.raw.clone();
        for pair in ["networkInfo", "nicNetworkInfo"] {
            if let Some(network) = nic.get_mut(pair).and_then(Value::as_object_mut) {
                network.remove("ipv4Info");
                network.remove("ipv6Info");
                // Reads back null or false even after true (terraform-provider-nutanix issue 1107): with an address it is true.
                if let Some(config) = network.get_mut("ipv4Config").and_then(Value::as_object_mut)
                    && config.get("ipAddress").is_some_and(Value::is_object)
                {
                    config.insert("shouldAssignIp".to_owned(), true.into());
                }
            }
        }
        without_nulls(nic)
    }
}

impl CreateNic {
    /// The body: the pair of members that the level knows.
    fn body(&self, level: Level) -> Value {
        let (kinds, names) = if level >= Level::NEW_NIC_FIELDS {
            (["VirtualEthernetNic", "VirtualEthernetNicNetworkInfo"], ["nicBackingInfo", "nicNetworkInfo"])
        } else {
            (["EmulatedNic", "NicNetworkInfo"], ["backingInfo", "networkInfo"])
        };
        let [backing_kind, network_kind] = kinds.map(|kind| format!("vmm.v4.ahv.config.{kind}"));
        let backing = json!({"$objectType": backing_kind, "isConnected": true, "macAddress": self.mac,
            "model": self.model, "numQueues": self.queues});
        let address = self.address.map(|a| json!({"value": a}));
        let some = |given: Value, empty: bool| if empty { Value::Null } else { given };
        let secondary = some(values(&self.secondary), self.secondary.is_empty());
        let trunked = some(json!(self.trunked_vlans), self.trunked_vlans.is_empty());
        let chain = self.function_chain.as_ref().map(|id| json!({"extId": id}));
        let network = json!({"$objectType": network_kind, "nicType": self.nic_type.as_deref().unwrap_or("NORMAL_NIC"),
            "vlanMode": self.vlan_mode.as_deref().unwrap_or("ACCESS"), "subnet": {"extId": self.subnet},
            "shouldAllowUnknownMacs": self.unknown_macs.filter(|allowed| *allowed),
            "trunkedVlans": trunked, "networkFunctionChain": chain, "networkFunctionNicType": self.function_type,
            "ipv4Config": {"shouldAssignIp": true, "ipAddress": address, "secondaryIpAddressList": secondary}});
        let [backing_name, network_name] = names;
        without_nulls(json!({"$objectType": "vmm.v4.ahv.config.Nic", backing_name: backing, network_name: network}))
    }
}

fn values(addresses: &[Ipv4Addr]) -> Value {
    addresses.iter().map(|address| json!({"value": address})).collect()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect::<Map<_, _>>(),
        ),
        Value::Array(all) => Value::Array(all.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn here(vm: &Vm, nic: &ExtId) -> Result<Nic, NutanixError> {
    let message = format!("VM `{}` has no such NIC", vm.id);
    vm.nic(nic).cloned().ok_or(NutanixError::NotFound { what: format!("NIC `{nic}`"), message })
}

impl NicApi for V4 {
    async fn migrate_nic(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        subnet: &ExtId,
        address: Ipv4Addr,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        let what = format!("migration of NIC `{nic}` to subnet `{subnet}` with {address}");
        let body = json!({"subnet": {"extId": subnet}, "migrateType": "ASSIGN_IP", "ipAddress": {"value": address}});
        self.nic_action(what, vm, nic, "migrate", Body::Json(body), limit).await
    }

    async fn assign_ip(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        address: Ipv4Addr,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        let what = format!("assignment of {address} to NIC `{nic}`");
        let body = Body::Json(json!({"ipAddress": {"value": address}}));
        self.nic_action(what, vm, nic, "assign-ip", body, limit).await
    }

    async fn release_ip(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        self.nic_action(format!("release of the address of NIC `{nic}`"), vm, nic, "release-ip", Body::None, limit)
            .await
    }

    async fn set_link(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        connected: bool,
        limit: &TimeLimit,
    ) -> Result<bool, NutanixError> {
        let what = format!("{} of NIC `{nic}`", if connected { "connection" } else { "disconnection" });
        if here(&self.vm(vm).await?.vm, nic)?.connected == connected {
            return Ok(false);
        }
        let change = Change { what, method: Method::PUT, path: format!("/nics/{nic}"), rel: ":nic" };
        let body = |_, vm: &Vm| here(vm, nic).map(|nic| Body::Json(nic.with_link(connected)));
        self.change(&change, vm, limit, body).await.map(|_| true)
    }

    async fn set_secondary(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        addresses: &[Ipv4Addr],
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        let what = format!("assignment of secondary addresses to NIC `{nic}`");
        let change = Change { what, method: Method::PUT, path: format!("/nics/{nic}"), rel: ":nic" };
        let body = |_, vm: &Vm| here(vm, nic).map(|nic| Body::Json(nic.with_secondary(addresses)));
        self.change(&change, vm, limit, body).await.map(|_| ())
    }

    async fn delete_nic(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        let what = format!("deletion of NIC `{nic}`");
        let change = Change { what, method: Method::DELETE, path: format!("/nics/{nic}"), rel: ":nic" };
        self.change(&change, vm, limit, |_, _| Ok(Body::None)).await.map(|_| ())
    }

    async fn create_nic(
        &self,
        vm: &ExtId,
        nic: &CreateNic,
        _: &[ExtId],
        limit: &TimeLimit,
    ) -> Result<Nic, NutanixError> {
        let what = format!("creation of a NIC with MAC address {} on VM `{vm}`", nic.mac);
        let change = Change { what, method: Method::POST, path: "/nics".to_owned(), rel: ":nic" };
        let named = self.change(&change, vm, limit, |level, _| Ok(Body::Json(nic.body(level)))).await?;
        let mut backoff = self.calls.timeouts.pauses.backoff();
        loop {
            let seen = self.vm(vm).await?.vm;
            let found = seen.nics.iter().find(|n| named.contains(&n.id) || n.mac.as_ref() == Some(&nic.mac));
            if let Some(found) = found {
                return Ok(found.clone());
            }
            if !backoff.pause(limit).await {
                let what = format!("the NIC with MAC address {}", nic.mac);
                let message = format!("its creation succeeded, but VM `{vm}` does not show it");
                return Err(NutanixError::NotFound { what, message });
            }
        }
    }
}

impl V4 {
    async fn nic_action(
        &self,
        what: String,
        vm: &ExtId,
        nic: &ExtId,
        action: &str,
        body: Body,
        limit: &TimeLimit,
    ) -> Result<(), NutanixError> {
        let change = Change { what, method: Method::POST, path: format!("/nics/{nic}/$actions/{action}"), rel: ":nic" };
        let result = self.change(&change, vm, limit, |_, _| Ok(body.clone())).await;
        let Err(NutanixError::NotFound { message, .. }) = &result else { return result.map(|_| ()) };
        if self.vm(vm).await?.vm.nic(nic).is_none() {
            return result.map(|_| ());
        }
        let level = self.level(Namespace::Vmm).await?;
        Err(NutanixError::NoAction {
            endpoint: self.endpoint().to_owned(),
            level: level.to_string(),
            action: action.to_owned(),
            message: message.clone(),
        })
    }
}

/// A NIC in messages: id, MAC address, primary address and an unusual type.
impl std::fmt::Display for Nic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NIC `{}`", self.id)?;
        if let Some(mac) = &self.mac {
            write!(f, " ({mac})")?;
        }
        match self.primary() {
            Some(address) => write!(f, " with {address}"),
            None => f.write_str(" without address"),
        }?;
        match text(&self.raw, "/nicNetworkInfo/nicType").or_else(|| text(&self.raw, "/networkInfo/nicType")) {
            Some("NORMAL_NIC") | None => Ok(()),
            Some(other) => write!(f, ", type {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pair: [&str; 2]) -> Value {
        let [backing, network] = pair;
        json!({"extId": "33333333-3333-4333-8333-333333333333",
            backing: {"macAddress": "50-6B-8D-11-22-33", "isConnected": true, "model": null, "numQueues": 2},
            network: {"nicType": "NORMAL_NIC", "subnet": {"extId": "22222222-2222-4222-8222-222222222222"},
                "ipv4Config": {"shouldAssignIp": null, "ipAddress": {"value": "10.10.1.25", "prefixLength": 32},
                    "secondaryIpAddressList": [{"value": "10.10.1.26"}]},
                "ipv4Info": {"learnedIpAddresses": [{"value": "169.254.3.4"}, {"value": "10.10.1.30"}]}}})
    }

    #[test]
    fn either_pair_of_members_is_read_and_link_local_addresses_are_not_learned() {
        for pair in [["backingInfo", "networkInfo"], ["nicBackingInfo", "nicNetworkInfo"]] {
            let nic = Nic::parse(&sample(pair)).unwrap();
            assert_eq!(nic.mac.unwrap().as_str(), "50:6b:8d:11:22:33");
            assert_eq!(nic.configured, ["10.10.1.25", "10.10.1.26"].map(|a| a.parse::<Ipv4Addr>().unwrap()));
            assert_eq!(nic.learned, ["10.10.1.30"].map(|a| a.parse::<Ipv4Addr>().unwrap()));
            assert!(nic.connected);
        }
    }

    #[test]
    fn a_nic_without_addresses_is_read() {
        let nic = Nic::parse(&json!({"extId": "33333333-3333-4333-8333-333333333333"})).unwrap();
        assert_eq!((nic.configured.len(), nic.learned.len(), nic.subnet, nic.mac), (0, 0, None, None));
    }

    #[test]
    fn a_put_keeps_both_pairs_in_step_and_sends_nothing_learned() {
        let mut both = sample(["backingInfo", "networkInfo"]);
        let new = sample(["nicBackingInfo", "nicNetworkInfo"]);
        for member in ["nicBackingInfo", "nicNetworkInfo"] {
            both[member] = new[member].clone();
        }
        let put = Nic::parse(&both).unwrap().with_link(false);
        assert_eq!(put["backingInfo"]["isConnected"], false);
        assert_eq!(put["nicBackingInfo"]["isConnected"], false);
        assert_eq!(put["networkInfo"]["ipv4Config"]["shouldAssignIp"], true);
        assert!(put["networkInfo"].get("ipv4Info").is_none());
        assert!(put["backingInfo"].get("model").is_none());
    }

    #[test]
    fn a_nic_is_created_again_as_each_level_wants_it() {
        let nic = Nic::parse(&sample(["backingInfo", "networkInfo"])).unwrap();
        let subnet = ExtId::parse("44444444-4444-4444-8444-444444444444").unwrap();
        let again = nic.again(&subnet, Some("10.10.1.99".parse().unwrap())).unwrap();
        let old = again.body(Level::Minor(0));
        assert!(old.get("nicBackingInfo").is_none());
        assert_eq!(old["backingInfo"]["macAddress"], "50:6b:8d:11:22:33");
        assert_eq!(old["backingInfo"]["numQueues"], 2);
        let new = again.body(Level::Minor(1));
        assert!(new.get("backingInfo").is_none());
        assert_eq!(new["nicNetworkInfo"]["$objectType"], "vmm.v4.ahv.config.VirtualEthernetNicNetworkInfo");
        assert_eq!(new["nicNetworkInfo"]["ipv4Config"]["ipAddress"]["value"], "10.10.1.99");
        assert_eq!(new["nicNetworkInfo"]["subnet"]["extId"], subnet.as_str());
        assert!(new["nicNetworkInfo"].get("trunkedVlans").is_none());
        assert!(new["nicNetworkInfo"]["ipv4Config"].get("secondaryIpAddressList").is_none());
    }

    #[test]
    fn a_nic_that_is_created_again_keeps_its_trunk_its_chain_and_its_flags() {
        let mut trunk = sample(["nicBackingInfo", "nicNetworkInfo"]);
        let own = json!({"nicType": "NETWORK_FUNCTION_NIC", "vlanMode": "TRUNK", "trunkedVlans": [10, 20],
            "shouldAllowUnknownMacs": true, "networkFunctionNicType": "TAP",
            "networkFunctionChain": {"extId": "55555555-5555-4555-8555-555555555555"}});
        trunk["nicNetworkInfo"].as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        trunk["nicBackingInfo"]["model"] = "E1000".into();
        let nic = Nic::parse(&trunk).unwrap();
        let again = nic.again(nic.subnet.as_ref().unwrap(), None).unwrap();
        for (level, backing, network) in
            [(Level::Minor(0), "backingInfo", "networkInfo"), (Level::Minor(1), "nicBackingInfo", "nicNetworkInfo")]
        {
            let body = again.body(level);
            for (member, value) in own.as_object().unwrap() {
                assert_eq!(&body[network][member], value, "{member}");
            }
            assert_eq!((&body[backing]["model"], &body[backing]["numQueues"]), (&json!("E1000"), &json!(2)));
        }
    }

    #[test]
    fn secondary_addresses_are_put_into_both_pairs() {
        let mut both = sample(["backingInfo", "networkInfo"]);
        both["nicNetworkInfo"] = sample(["nicBackingInfo", "nicNetworkInfo"])["nicNetworkInfo"].clone();
        let put = Nic::parse(&both).unwrap().with_secondary(&["10.10.1.26", "10.10.1.27"].map(|a| a.parse().unwrap()));
        for pair in ["networkInfo", "nicNetworkInfo"] {
            let list = &put[pair]["ipv4Config"]["secondaryIpAddressList"];
            assert_eq!(*list, json!([{"value": "10.10.1.26"}, {"value": "10.10.1.27"}]));
            assert_eq!(put[pair]["ipv4Config"]["ipAddress"]["value"], "10.10.1.25");
        }
    }

    #[test]
    fn what_creates_a_nic_survives_the_journal() {
        let nic = Nic::parse(&sample(["backingInfo", "networkInfo"])).unwrap();
        let again = nic.again(nic.subnet.as_ref().unwrap(), None).unwrap();
        let text = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<CreateNic>(&text).unwrap(), again);
    }
}
