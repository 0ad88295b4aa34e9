//! A plain HTTPS client, and the small world that the tests begin with.

use std::sync::Arc;

use holdfast_sim::{Endpoint, ManualClock, Options, Sim, World, WorldFile};
use serde_json::{Value, json};
use uuid::Uuid;

/// Two Prism Centrals with the no-NAT shape, one instance for Move, a recovery plan.
pub const WORLD: &str = r#"
regions:
  ap-northeast-1:
    vpcs:
      - { name: ec2, cidrs: [172.30.0.0/16], subnets: [{ name: app, cidr: 172.30.1.0/24 }] }
    instances:
      - { name: db-1, platform: windows, interfaces: [{ subnet: app, address: 172.30.1.40 }] }
      - { name: host-1, interfaces: [{ name: host-1-fvn, subnet: app, source_dest_check: false }] }
prism_centrals:
  pc-a:
    username: admin
    password: first secret
    region: ap-northeast-1
    api_level: "4.4"
    vpcs:
      - { name: transit, kind: transit }
      - { name: apps, external_subnets: [no-nat], routable_prefixes: [172.30.1.0/24], dns: [10.10.0.2], host_interfaces: [host-1-fvn] }
    subnets:
      - { name: no-nat, vpc: transit, cidr: 100.64.10.0/24, external: true }
      - name: app
        vpc: apps
        cidr: 172.30.1.0/24
        dhcp_server: 172.30.1.2
        pools: [{ first: 172.30.1.100, last: 172.30.1.199 }]
        reserved: [172.30.1.150]
      - { name: landing, vpc: apps, cidr: 172.31.99.0/24, pools: [{ first: 172.31.99.10, last: 172.31.99.11 }] }
      - { name: flat, kind: vlan }
    vms:
      - { name: web-1, platform: windows, nics: [{ subnet: landing }] }
      - { name: "o'brien", nics: [{ subnet: app, address: 172.30.1.50 }] }
      - { name: off-1, powered_off: true, nics: [{ subnet: flat }] }
  pc-b:
    username: admin
    password: second secret
    api_level: "4.0"
    advertises_level: false
    vpcs:
      - { name: transit, kind: transit }
      - { name: apps, external_subnets: [no-nat], routable_prefixes: [172.30.1.0/24] }
    subnets:
      - { name: no-nat, vpc: transit, cidr: 100.64.20.0/24, external: true }
      - { name: app, vpc: apps, cidr: 172.30.1.0/24, pools: [{ first: 172.30.1.100, last: 172.30.1.199 }] }
    vms:
      - { name: old-1, nics: [{ subnet: app, address: 172.30.1.90 }] }
moves:
  move-a:
    username: nutanix
    password: third secret
    plans:
      - { name: wave-1, region: ap-northeast-1, prism_central: pc-a, network: landing, workloads: [{ instance: db-1, network: app }] }
recovery_plans:
  apps:
    primary: pc-a
    recovery: pc-b
    networks: [{ primary: app, recovery: app }]
    vms: ["o'brien"]
"#;

/// A running simulation and a client of one of its appliances.
pub struct Client {
    pub sim: Sim,
    http: reqwest::Client,
    pub endpoint: Endpoint,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub etag: Option<String>,
    pub retry_after: Option<String>,
    pub body: Value,
    pub text: String,
}

impl Reply {
    /// The error code of a v4 error body.
    pub fn code(&self) -> &str {
        self.body.pointer("/data/error/0/code").and_then(Value::as_str).unwrap_or("no code")
    }

    /// The text of a schema error.
    pub fn schema(&self) -> String {
        assert_eq!(
            self.body["data"]["$errorItemDiscriminator"].as_str().unwrap().split('.').next_back(),
            Some("SchemaValidationError")
        );
        self.body["data"]["error"]["validationErrorMessages"][0].to_string()
    }

    /// The names of the listed entities.
    pub fn names(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body["data"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect()
    }
}

fn world(change: impl FnOnce(&str) -> String) -> World {
    World::from_file(&WorldFile::parse(&change(WORLD)).unwrap()).unwrap()
}

/// Starts the world and a client of the Prism Central `name`.
pub async fn prism(name: &str) -> Client {
    prism_in(name, str::to_owned).await
}

/// The same in a world whose file is changed.
pub async fn prism_in(name: &str, change: impl FnOnce(&str) -> String) -> Client {
    let sim = Sim::start(world(change), Options::default()).await.unwrap();
    let endpoint = sim.prism_centrals()[name].clone();
    client(sim, endpoint)
}

/// A Prism Central under a clock of the test's.
pub async fn prism_under(name: &str, clock: Arc<ManualClock>) -> Client {
    prism_as(name, str::to_owned, clock).await
}

/// The same in a world whose file is changed.
pub async fn prism_as(name: &str, change: impl FnOnce(&str) -> String, clock: Arc<ManualClock>) -> Client {
    let options = Options { clock, ..Options::default() };
    let sim = Sim::start(world(change), options).await.unwrap();
    let endpoint = sim.prism_centrals()[name].clone();
    client(sim, endpoint)
}

/// Starts the world and a client of the Move appliance.
pub async fn move_in(change: impl FnOnce(&str) -> String) -> Client {
    let sim = Sim::start(world(change), Options::default()).await.unwrap();
    let endpoint = sim.moves()["move-a"].clone();
    client(sim, endpoint)
}

fn client(sim: Sim, endpoint: Endpoint) -> Client {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(&endpoint.ca_file).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    Client { sim, http, endpoint }
}

impl Client {
    /// A request as it is, with Basic credentials and a request id.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.endpoint.url);
        self.http
            .request(method.parse().unwrap(), url)
            .basic_auth(&self.endpoint.username, Some(&self.endpoint.password))
            .header("NTNX-Request-Id", Uuid::new_v4().to_string())
    }

    /// A request without credentials.
    pub fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.endpoint.url))
    }

    /// A request to another Prism Central of the world: a GET, or a POST with a body.
    pub async fn ask(&self, name: &str, path: &str, body: Option<Value>) -> Reply {
        let to = &self.sim.prism_centrals()[name];
        let url = format!("{}{path}", to.url);
        let request = body.map_or_else(|| self.http.get(&url), |body| self.http.post(&url).json(&body));
        read(request.basic_auth(&to.username, Some(&to.password))).await
    }

    /// A change at another Prism Central of the world, with its request id.
    pub async fn ask_as(&self, name: &str, path: &str, id: &str, body: Value) -> Reply {
        let to = &self.sim.prism_centrals()[name];
        let request = self.http.post(format!("{}{path}", to.url)).json(&body).header("NTNX-Request-Id", id);
        read(request.basic_auth(&to.username, Some(&to.password))).await
    }

    /// A control call that must succeed.
    pub async fn control(&self, path: &str, body: Value) -> Value {
        let reply = read(self.http.post(format!("{}{path}", self.sim.control_url())).json(&body)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.body
    }

    pub async fn get(&self, path: &str) -> Reply {
        read(self.request("GET", path)).await
    }

    /// Sends a change with the ETag of the VM, read just before.
    pub async fn change(&self, method: &str, vm: &str, rest: &str, body: Value) -> Reply {
        let path = format!("/api/vmm/v4.0/ahv/config/vms/{vm}");
        let etag = self.get(&path).await.etag.unwrap();
        read(self.request(method, &format!("{}{rest}", self.vm_path(vm))).header("If-Match", etag).json(&body)).await
    }

    /// The path of a VM, at the highest level of the Prism Central.
    pub fn vm_path(&self, vm: &str) -> String {
        let level = if self.endpoint.password == "first secret" { "v4.3" } else { "v4.0" };
        format!("/api/vmm/{level}/ahv/config/vms/{vm}")
    }

    /// Polls the task of an accepted change to its end: `SUCCEEDED`, or code and text of the failure.
    pub async fn done(&self, accepted: Reply) -> String {
        let task = self.task(&accepted).await;
        match task["status"].as_str().unwrap() {
            "FAILED" => format!(
                "{}: {}",
                task["errorMessages"][0]["code"].as_str().unwrap(),
                task["errorMessages"][0]["message"].as_str().unwrap()
            ),
            status => status.to_owned(),
        }
    }

    /// Polls the task of an accepted change to its end.
    pub async fn task(&self, accepted: &Reply) -> Value {
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        let id = accepted.body["data"]["extId"].as_str().unwrap();
        for _ in 0..20 {
            let task = self.get(&format!("/api/prism/v4.0/config/tasks/{id}")).await.body["data"].clone();
            if task.get("completedTime").is_some() {
                return task;
            }
        }
        panic!("task {id} does not end");
    }

    /// The id of the entity of this name in a list.
    pub async fn id(&self, list: &str, name: &str) -> String {
        let filter = format!("name eq '{}'", name.replace('\'', "''"));
        let filter = percent_encoding::utf8_percent_encode(&filter, percent_encoding::NON_ALPHANUMERIC);
        let reply = self.get(&format!("{list}?$filter={filter}")).await;
        reply.body["data"][0]["extId"].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned()
    }

    pub async fn vm(&self, name: &str) -> String {
        self.id("/api/vmm/v4.0/ahv/config/vms", name).await
    }

    pub async fn subnet(&self, name: &str) -> String {
        self.id("/api/networking/v4.0/config/subnets", name).await
    }

    /// The first NIC of a VM, as it is shown.
    pub async fn nic(&self, vm: &str) -> Value {
        self.get(&format!("{}/nics", self.vm_path(vm))).await.body["data"][0].clone()
    }

    /// The address that is shown on the first NIC of a VM, after it had time to show.
    pub async fn address(&self, vm: &str) -> Value {
        self.get("/api/vmm/v4.0/ahv/config/vms").await;
        self.nic(vm).await["networkInfo"]["ipv4Config"]["ipAddress"]["value"].clone()
    }

    /// Turns switches of the world.
    pub fn switch(&self, turn: impl FnOnce(&mut holdfast_sim::prism::Switches)) {
        turn(&mut self.sim.shared().world().switches.prism);
    }
}

pub async fn read(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (status, etag, retry_after) = (response.status().as_u16(), header("etag"), header("retry-after"));
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status, etag, retry_after, body, text }
}

/// A NIC to create, in the form of v4.1 and later.
pub fn new_nic(subnet: &str, address: Option<&str>, mac: Option<&str>) -> Value {
    let mut nic = json!({
        "$objectType": "vmm.v4.ahv.config.Nic",
        "nicBackingInfo": {"$objectType": "vmm.v4.ahv.config.VirtualEthernetNic", "isConnected": true},
        "nicNetworkInfo": {"$objectType": "vmm.v4.ahv.config.VirtualEthernetNicNetworkInfo", "nicType": "NORMAL_NIC",
            "subnet": {"extId": subnet}, "ipv4Config": {"shouldAssignIp": true}},
    });
    if let Some(address) = address {
        nic["nicNetworkInfo"]["ipv4Config"]["ipAddress"] = json!({"value": address, "prefixLength": 32});
    }
    if let Some(mac) = mac {
        nic["nicBackingInfo"]["macAddress"] = json!(mac);
    }
    nic
}
