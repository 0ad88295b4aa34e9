//! Authentication, versions and lists.

use serde_json::Value;

use super::client::{prism, prism_in, read};

const VMS: &str = "/api/vmm/v4.3/ahv/config/vms";

// nutanix-api A.2: a 401 often has an empty body.
#[tokio::test]
async fn a_wrong_password_is_an_empty_401() {
    let pc = prism("pc-a").await;
    let reply = read(pc.bare("GET", VMS).basic_auth("admin", Some("wrong"))).await;
    assert_eq!((reply.status, reply.text.as_str()), (401, ""));
    assert_eq!(read(pc.bare("GET", VMS)).await.status, 401);
    let log = pc.sim.shared().gate().log().since(0);
    let (source, last) = (log[0].source.to_string(), &log[0]);
    assert_eq!((source.as_str(), last.service.as_str(), last.action.as_str()), ("prism:pc-a", "vmm", "vms.list"));
    assert_eq!((last.mutating, last.status), (false, Some(401)));
}

// nutanix-api A.3 and A.4: the minor version differs per namespace; a path above it is unknown to the gateway.
#[tokio::test]
async fn the_level_is_told_per_namespace_and_paths_above_it_are_unknown() {
    let pc = prism("pc-a").await;
    for (namespace, level) in [("vmm", "v4.3"), ("networking", "v4.4"), ("prism", "v4.4"), ("clustermgmt", "v4.3")] {
        let reply = read(pc.request("OPTIONS", &format!("/api/{namespace}/unversioned/info"))).await;
        assert_eq!(reply.body, serde_json::json!({"data": level}), "{namespace}");
    }
    let reply = pc.get("/api/vmm/v4.4/ahv/config/vms").await;
    assert_eq!(reply.status, 404);
    assert!(reply.body["message"].as_str().unwrap().starts_with("The requested URL was not found"));
    assert!(reply.body.get("data").is_none());
    for path in ["/api/vmm/v4.0.b1/ahv/config/vms", "/api/dataprotection/v4.0/config/recovery-plan-jobs", "/other"] {
        assert_eq!(pc.get(path).await.status, 404, "{path}");
    }
    let old = prism("pc-b").await;
    assert_eq!(read(old.request("OPTIONS", "/api/vmm/unversioned/info")).await.status, 404);
    assert_eq!(old.get("/api/vmm/v4.1/ahv/config/vms").await.status, 404);
    assert_eq!(old.get("/api/vmm/v4.0/ahv/config/vms").await.names(), ["old-1"]);
}

// nutanix-api A.3 and SDKs 4.0.1b1: what the betas of pc.2024.1 and pc.2024.2 do not have, or write otherwise.
#[tokio::test]
async fn a_beta_serves_its_own_paths_alone_and_lacks_what_came_with_v4_0() {
    let pc = prism_in("pc-a", |world| world.replacen("api_level: \"4.4\"", "api_level: \"4.0.b1\"", 1)).await;
    for (namespace, level) in [("vmm", "v4.0.b1"), ("networking", "v4.0.b1"), ("clustermgmt", "v4.0.b2")] {
        let reply = read(pc.request("OPTIONS", &format!("/api/{namespace}/unversioned/info"))).await;
        assert_eq!(reply.body, serde_json::json!({"data": level}), "{namespace}");
    }
    let vms = pc.get("/api/vmm/v4.0.b1/ahv/config/vms").await;
    assert_eq!(vms.names().len(), 3);
    assert_eq!(vms.body["$reserved"]["$fv"], "v4.r0.b1");
    let nic = &vms.body["data"].as_array().unwrap().iter().find(|vm| vm["name"] == "web-1").unwrap()["nics"][0];
    assert!(nic.get("nicBackingInfo").is_none() && nic["backingInfo"]["macAddress"].is_string());
    let subnets = pc.get("/api/networking/v4.0.b1/config/subnets?$filter=name%20eq%20'app'").await;
    let app = &subnets.body["data"][0];
    assert_eq!(subnets.body["$objectType"], "networking.v4.config.SubnetListApiResponse");
    assert_eq!(app["$reserved"]["$fqObjectType"], "networking.v4.r0.b1.config.Subnet");
    assert_eq!(app["reservedIpAddresses"][0]["ipv4"]["value"], "172.30.1.150");
    let app = format!("/api/networking/v4.0.b1/config/subnets/{}", app["extId"].as_str().unwrap());
    for path in [
        "/api/vmm/v4.0/ahv/config/vms",
        "/api/clustermgmt/v4.0.b1/config/clusters",
        "/api/prism/v4.0.b1/config/domain-managers",
        &format!("{app}/vnics"),
        &format!("{app}/reserved-ips"),
    ] {
        let reply = pc.get(path).await;
        assert_eq!((reply.status, reply.body.get("data")), (404, None), "{path}");
    }
    let refused = pc.get("/api/networking/v4.0.b1/config/vpcs?$filter=vpcType%20eq%20'REGULAR'").await;
    assert!(refused.schema().contains("cannot be filtered on"), "{}", refused.text);
    let vpc = &pc.get("/api/networking/v4.0.b1/config/vpcs").await.body["data"][0];
    assert!(vpc.get("vpcType").is_none() && vpc["name"].is_string());
}

// nutanix-api B.4: v4.0 has one pair of members, later levels mirror it in a second one.
#[tokio::test]
async fn a_nic_has_two_mirrored_forms_from_v4_1_on() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let at = |level: &str| format!("/api/vmm/{level}/ahv/config/vms/{vm}/nics");
    let old = pc.get(&at("v4.0")).await.body["data"][0].clone();
    assert!(old.get("nicBackingInfo").is_none() && old.get("nicNetworkInfo").is_none());
    let new = pc.get(&at("v4.1")).await.body["data"][0].clone();
    assert_eq!(new["nicBackingInfo"]["macAddress"], new["backingInfo"]["macAddress"]);
    assert_eq!(new["nicNetworkInfo"]["ipv4Config"]["ipAddress"]["value"], "172.31.99.10");
    assert_eq!(new["networkInfo"]["ipv4Config"]["ipAddress"]["prefixLength"], 32);
    // terraform-provider-nutanix issue 1107: it reads back null even after true.
    assert_eq!(new["networkInfo"]["ipv4Config"]["shouldAssignIp"], Value::Null);
    assert_eq!(new["nicNetworkInfo"]["$objectType"], "vmm.v4.ahv.config.VirtualEthernetNicNetworkInfo");
}

// nutanix-api B.1.
#[tokio::test]
async fn vms_are_filtered_ordered_and_paged() {
    let pc = prism("pc-a").await;
    let named = |text: &str| format!("{VMS}?{text}");
    assert_eq!(pc.get(&named("$orderby=name")).await.names(), ["o'brien", "off-1", "web-1"]);
    assert_eq!(pc.get(&named("$orderby=name%20desc&$limit=1&$page=1")).await.names(), ["off-1"]);
    assert_eq!(pc.get(&named("%24filter=name+eq+%27web-1%27")).await.names(), ["web-1"]);
    assert_eq!(pc.get(&named("$filter=name%20eq%20'o''brien'")).await.names(), ["o'brien"]);
    assert_eq!(pc.get(&named("$filter=powerState%20eq%20'OFF'")).await.names(), ["off-1"]);
    let cluster = pc.id("/api/clustermgmt/v4.0/config/clusters", "pc-a-cluster").await;
    let both = format!("$filter=cluster/extId%20eq%20'{cluster}'%20and%20name%20eq%20'web-1'");
    assert_eq!(pc.get(&named(&both)).await.names(), ["web-1"]);
    let page = pc.get(&named("$limit=2")).await;
    assert_eq!(page.body["metadata"]["totalAvailableResults"], 3);
    assert_eq!(page.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(page.etag, None);
    // fence-agents nutanix_ahv: no match, no `data`.
    let none = pc.get(&named("$filter=name%20eq%20'nobody'")).await;
    assert_eq!((none.status, none.body.get("data")), (200, None));
    assert_eq!(none.body["metadata"]["totalAvailableResults"], 0);
}

// nutanix-api B.1 and I: $limit is 1 to 100, there is no $top and no $skip; wrong ones are a schema error.
#[tokio::test]
async fn wrong_list_parameters_are_schema_errors() {
    let pc = prism("pc-a").await;
    for query in [
        "$limit=0",
        "$limit=101",
        "$page=-1",
        "$top=5",
        "$filter=colour%20eq%20'red'",
        "$filter=name",
        "$filter=name%20eq%20x",
        "$filter=name%20eq%20'x'%20or%20name%20eq%20'y'",
        "$filter=name%20like%20'x'",
        "$filter=name%20eq%20'x",
        "$filter=f(name,'x')",
        "$orderby=colour",
    ] {
        let reply = pc.get(&format!("{VMS}?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.schema().contains(query.split('=').next().unwrap()), "{query}: {}", reply.text);
    }
    let reply = pc.get(&format!("{VMS}/no-uuid")).await;
    assert!(reply.schema().contains("no-uuid"));
    let reply = pc.get(&format!("{VMS}/11111111-1111-4111-8111-111111111111")).await;
    assert_eq!(
        (reply.status, &reply.body["data"]["error"][0]["errorGroup"]),
        (404, &Value::from("RESOURCE_NOT_FOUND"))
    );
}

// nutanix-api C: the shape of no-NAT networking, addresses in use and reserved.
#[tokio::test]
async fn subnets_and_vpcs_show_the_no_nat_shape() {
    let pc = prism("pc-a").await;
    let subnet = pc.subnet("app").await;
    let path = format!("/api/networking/v4.4/config/subnets/{subnet}");
    let app = pc.get(&path).await.body["data"].clone();
    assert_eq!((app["ipPrefix"].as_str(), app["isExternal"].as_bool()), (Some("172.30.1.0/24"), Some(false)));
    let v4 = &app["ipConfig"][0]["ipv4"];
    assert_eq!(v4["defaultGatewayIp"]["value"], "172.30.1.1");
    assert_eq!(v4["poolList"][0]["startIp"]["value"], "172.30.1.100");
    assert_eq!(app["ipUsage"]["numFreeIPs"], 99);
    let vpc = app["vpcReference"].as_str().unwrap();
    let vpc = pc.get(&format!("/api/networking/v4.4/config/vpcs/{vpc}")).await.body["data"].clone();
    assert_eq!(vpc["externallyRoutablePrefixes"][0]["ipv4"]["ip"]["value"], "172.30.1.0");
    let external = vpc["externalSubnets"][0]["subnetReference"].as_str().unwrap();
    let external = pc.get(&format!("/api/networking/v4.4/config/subnets/{external}")).await.body["data"].clone();
    assert_eq!((external["isExternal"].as_bool(), external["isNatEnabled"].as_bool()), (Some(true), Some(false)));
    let vnics = pc.get(&format!("{path}/vnics")).await.body["data"].clone();
    assert_eq!(vnics[0]["assignedIpv4Addresses"][0]["ipv4"]["value"], "172.30.1.50");
    assert_eq!(vnics[0]["vmReference"], pc.vm("o'brien").await);
    let reserved = pc.get(&format!("{path}/reserved-ips")).await.body["data"].clone();
    assert_eq!(reserved[0]["ipv4Address"], "172.30.1.150");
    let one = pc.get("/api/prism/v4.0/config/domain-managers").await.body["data"][0].clone();
    assert_eq!(one["config"]["buildInfo"]["version"], "pc.7.3");
}

// A Prism Central that is lost answers nobody; faults strike it like any other system.
#[tokio::test]
async fn it_can_be_lost_throttled_and_broken() {
    use holdfast_sim::faults::{Effect, Match, NewFault};
    let pc = prism("pc-a").await;
    pc.sim.shared().world().lost_prisms.insert("pc-a".into());
    assert!(pc.request("GET", VMS).send().await.is_err());
    pc.sim.shared().world().lost_prisms.clear();
    let matching = Match { source: Some("prism:pc-a".into()), action: Some("vms.*".into()), ..Match::default() };
    let add = |effect| {
        pc.sim.shared().gate().add_fault(NewFault { matching: matching.clone(), skip: 0, times: Some(1), effect })
    };
    add(Effect::Throttle);
    let reply = pc.get(VMS).await;
    assert_eq!((reply.status, reply.retry_after.as_deref()), (429, Some("1")));
    add(Effect::Error { code: "RATE_LIMIT_EXCEEDED".into(), status: 400, message: "slow".into() });
    let reply = pc.get(VMS).await;
    assert_eq!((reply.status, reply.code()), (400, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(pc.get(VMS).await.status, 200);
}
