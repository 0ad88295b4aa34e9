//! Reading sites and finished jobs of the simulated Prism Central and Move, over HTTPS.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here fails the test")]

mod finished;
#[path = "../../../lib/store/tests/dynamodb/server.rs"]
mod tables;
mod test_failover;

use std::collections::BTreeMap;

use holdfast_model::{Credentials, HostRecord, Network, NetworkName, Power, SiteName, Trust};
use holdfast_nutanix::{NutanixError, Prism, Timeouts};
use holdfast_sim::{Options, Sim, World};
use holdfast_watch::{SiteError, SiteQuery, read_site};
use serde_json::json;

const WORLD: &str = r#"
prism_centrals:
  tokyo:
    username: admin
    password: secret
    clusters: [{ name: cluster-1 }, { name: cluster-2 }]
    vpcs: [{ name: prod, routable_prefixes: [172.30.0.0/16] }]
    subnets:
      - { name: app, vpc: prod, cidr: 172.30.1.0/24, pools: [{ first: 172.30.1.100, last: 172.30.1.199 }] }
    vms:
      - { name: web-1, nics: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: app-1, id: 99999999-0000-4000-8000-000000000001, cluster: cluster-2, nics: [{ subnet: app }] }
      - { name: legacy, powered_off: true, nics: [{ subnet: app, address: 172.30.1.35 }] }
      - { name: nobody, nics: [{ subnet: app, address: 172.30.1.36 }] }
"#;

fn host(name: &str, address: &str) -> HostRecord {
    serde_json::from_value(json!({
        "name": name, "wave": "wave-1", "instance": "i-0a1b2c3d4e", "platform": "linux",
        "captured_at": "2026-01-02T03:04:05Z", "guest": null,
        "nics": [{"device_index": 0, "eni": "eni-0a1b2c3d4e", "mac": "0a:00:00:00:00:01", "primary": address, "secondary": [],
            "subnet": "subnet-0a1b2c3d4e", "prefix": "172.30.1.0/24", "network": "app"}]
    }))
    .unwrap()
}

fn prism_of(sim: &Sim) -> Prism {
    let endpoint = &sim.prism_centrals()["tokyo"];
    let who = Credentials::login(&endpoint.username, &endpoint.password);
    let trust = Trust::Ca { pem: std::fs::read_to_string(&endpoint.ca_file).unwrap() };
    Prism::connect(&endpoint.url, who, &trust, Timeouts::default()).unwrap()
}

async fn read(sim: &Sim, cluster: &str) -> Result<Vec<(String, Vec<Power>)>, SiteError> {
    let networks: BTreeMap<NetworkName, Network> =
        serde_json::from_value(json!({"app": {"prefix": "172.30.1.0/24", "subnets": {"nc2-tokyo": "app"}}})).unwrap();
    let hosts = [host("web-1", "172.30.1.34"), host("app-1", "172.30.1.35")];
    let site = SiteName::parse("nc2-tokyo").unwrap();
    let query = SiteQuery { site: &site, fvn_vpc: "prod", cluster, networks: &networks, hosts: &hosts };
    let found = read_site(&prism_of(sim), &query).await?;
    Ok(found.into_iter().map(|(host, all)| (host.to_string(), all.iter().map(|one| one.power).collect())).collect())
}

#[tokio::test]
async fn hosts_are_seen_by_name_in_their_cluster_and_strangers_by_address() {
    let sim = Sim::start(World::from_yaml(WORLD).unwrap(), Options::callers_here()).await.unwrap();
    let found = read(&sim, "cluster-1").await.unwrap();
    assert_eq!(found, [("legacy".to_owned(), vec![Power::Off]), ("web-1".to_owned(), vec![Power::On])]);
    let log = sim.shared().gate().log().since(0);
    assert!(log.iter().all(|entry| !entry.mutating));
}

#[tokio::test]
async fn a_site_that_is_silent_or_differs_is_an_error_with_its_reason() {
    let sim = Sim::start(World::from_yaml(WORLD).unwrap(), Options::callers_here()).await.unwrap();
    let error = read(&sim, "cluster-9").await.unwrap_err();
    assert!(error.to_string().contains("has 0 clusters named `cluster-9`"), "{error}");
    sim.shared().world().lost_prisms.insert("tokyo".into());
    let error = read(&sim, "cluster-1").await.unwrap_err();
    assert!(matches!(error, SiteError::Prism(NutanixError::Unreachable { .. })), "{error}");
}
