//! A small AWS client: what it sends is written out, so that a test shows the protocol.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;

use holdfast_sim::{Clock, ManualClock, Options, Sim, World};
use jiff::Timestamp;

pub const ACCOUNT: &str = "111122223333";
pub const TOKYO: &str = "ap-northeast-1";
pub const OSAKA: &str = "ap-northeast-3";

/// Two VPCs, a VPN and a Direct Connect gateway on a Tokyo transit gateway, peered with one in Osaka.
pub const WORLD: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs:
      - name: ec2
        id: vpc-0ec2
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, id: subnet-0a, cidr: 172.30.1.0/24 }, { name: other, cidr: 172.30.9.0/24 }]
        route_tables:
          - { name: ec2, id: rtb-0ec2, main: true, routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }] }
      - name: nc2
        cidrs: [10.10.0.0/16]
        subnets: [{ name: hosts, cidr: 10.10.1.0/24 }]
    instances:
      - { name: web-1, id: i-01, platform: windows, interfaces: [{ subnet: app, id: eni-01, address: 172.30.1.34 }] }
    transit_gateways:
      - name: tokyo
        id: tgw-01
        attachments:
          - { name: ec2, id: tgw-attach-0ec2, kind: vpc, vpc: ec2, subnets: [app] }
          - { name: nc2, id: tgw-attach-0c2, kind: vpc, vpc: nc2, subnets: [hosts] }
          - { name: dx, id: tgw-attach-0d, kind: direct-connect-gateway, prefixes: [172.30.0.0/16, 192.168.10.0/24] }
          - { name: vpn, id: tgw-attach-0f, kind: vpn, prefixes: [192.168.10.0/24, 192.168.11.0/24] }
        route_tables:
          - name: main
            id: tgw-rtb-01
            associations: [ec2, nc2, dx, vpn, between]
            propagations: [ec2, nc2, dx, vpn]
            routes: [{ prefix: 10.20.0.0/16, attachment: between }]
  ap-northeast-3:
    transit_gateways:
      - { name: osaka, id: tgw-03, route_tables: [{ name: main, id: tgw-rtb-03, associations: [between] }] }
transit_gateway_peerings:
  - name: between
    id: tgw-attach-0b
    requester: { region: ap-northeast-1, transit_gateway: tokyo }
    accepter: { region: ap-northeast-3, transit_gateway: osaka }
"#;

/// A simulation of [`WORLD`] on a clock that stands still.
pub struct Aws {
    pub sim: Sim,
    pub clock: Arc<ManualClock>,
    http: reqwest::Client,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The text of the first element of this name.
    pub fn text(&self, element: &str) -> Option<&str> {
        self.body.split_once(&format!("<{element}>"))?.1.split_once(&format!("</{element}>")).map(|(text, _)| text)
    }

    /// The texts of all elements of this name.
    pub fn texts(&self, element: &str) -> Vec<&str> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        self.body.split(&open).skip(1).filter_map(|rest| rest.split_once(&close)).map(|(text, _)| text).collect()
    }

    /// The error code; empty if it is none.
    pub fn code(&self) -> &str {
        if self.status < 300 { "" } else { self.text("Code").unwrap_or("?") }
    }
}

impl Aws {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        Self::of(WORLD, options).await
    }

    pub async fn of(world: &str, options: Options) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap()));
        let world = World::from_yaml(world).unwrap();
        let sim = Sim::start(world, Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..options }).await.unwrap();
        Self { sim, clock, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// An EC2 call; `Err` if the connection closed without an answer.
    pub async fn try_ec2(&self, region: &str, action: &str, parameters: &[(&str, &str)]) -> Result<Answer, String> {
        let mut form = vec![("Action", action), ("Version", "2016-11-15")];
        form.extend(parameters);
        let request = self.http.post(self.sim.aws_endpoint()).header("authorization", scope(ACCOUNT, region, "ec2"));
        let reply = request.form(&form).send().await.map_err(|error| error.to_string())?;
        let status = reply.status().as_u16();
        Ok(Answer { status, body: reply.text().await.map_err(|error| error.to_string())? })
    }

    /// An EC2 call in Tokyo.
    pub async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.try_ec2(TOKYO, action, parameters).await.unwrap()
    }

    /// The routes that a search in the Tokyo table finds: prefix, type, state.
    pub async fn search(&self, filter: &str, value: &str) -> Vec<(String, String, String)> {
        let parameters =
            [("TransitGatewayRouteTableId", "tgw-rtb-01"), ("Filter.1.Name", filter), ("Filter.1.Value.1", value)];
        let found = self.ec2("SearchTransitGatewayRoutes", &parameters).await;
        assert_eq!(found.code(), "", "{found:?}");
        let columns = (found.texts("destinationCidrBlock"), found.texts("type"), found.texts("state"));
        let rows = columns.0.into_iter().zip(columns.1).zip(columns.2);
        rows.map(|((prefix, kind), state)| (prefix.into(), kind.into(), state.into())).collect()
    }

    /// A control call that must succeed.
    pub async fn control(&self, method: reqwest::Method, path: &str, body: serde_json::Value) -> serde_json::Value {
        let request = self.http.request(method, format!("{}{path}", self.sim.control_url()));
        let request = if body.is_null() { request } else { request.json(&body) };
        let reply = request.send().await.unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn post(&self, path: &str, body: serde_json::Value) -> serde_json::Value {
        self.control(reqwest::Method::POST, path, body).await
    }

    pub async fn get(&self, path: &str) -> serde_json::Value {
        self.control(reqwest::Method::GET, path, serde_json::Value::Null).await
    }
}

/// An `Authorization` header; nobody checks the signature.
pub fn scope(key: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20270115/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}
