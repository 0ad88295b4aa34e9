//! Service Quotas: the quotas that count routes.
//!
//! Source: Service Quotas API reference, `GetServiceQuota`. The values are those of the switches, which EC2 goes by too.

use serde_json::{Value, json};

use crate::{
    front::{Caller, Refusal},
    world::World,
};

struct Quota {
    service: &'static str,
    service_name: &'static str,
    code: &'static str,
    name: &'static str,
    usual: usize,
    applied: usize,
}

fn all(world: &World) -> [Quota; 2] {
    let ec2 = &world.switches.ec2;
    [
        Quota {
            service: "vpc",
            service_name: "Amazon Virtual Private Cloud (Amazon VPC)",
            code: "L-93826ACB",
            name: "Routes per route table",
            usual: 500,
            applied: ec2.routes_per_table,
        },
        Quota {
            service: "ec2",
            service_name: "Amazon Elastic Compute Cloud (Amazon EC2)",
            code: "L-BCC1FB47",
            name: "Routes per transit gateway",
            usual: 10_000,
            applied: ec2.routes_per_transit_gateway,
        },
    ]
}

fn shown(quota: &Quota, caller: &Caller, value: usize) -> Value {
    let Caller { account, region, .. } = caller;
    json!({
        "ServiceCode": quota.service,
        "ServiceName": quota.service_name,
        "QuotaArn": format!("arn:aws:servicequotas:{region}:{account}:{}/{}", quota.service, quota.code),
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": u32::try_from(value).map(f64::from).unwrap_or(f64::MAX),
        "Unit": "None",
        "Adjustable": true,
        "GlobalQuota": false,
        "QuotaAppliedAtLevel": "ACCOUNT",
    })
}

/// Answers one action.
pub(crate) fn handle(world: &World, caller: &Caller, action: &str, body: &Value) -> Result<Value, Refusal> {
    let refused = |code: &str, message: String| Err(Refusal { status: 400, code: code.into(), message });
    let text = |key| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let (service, code) = (text("ServiceCode"), text("QuotaCode"));
    let quotas = all(world);
    let of_service = || quotas.iter().filter(|quota| quota.service == service);
    let one = of_service().find(|quota| quota.code == code);
    match (action, one) {
        ("GetServiceQuota", Some(quota)) => Ok(json!({"Quota": shown(quota, caller, quota.applied)})),
        ("GetAWSDefaultServiceQuota", Some(quota)) => Ok(json!({"Quota": shown(quota, caller, quota.usual)})),
        ("GetServiceQuota" | "GetAWSDefaultServiceQuota", None) => {
            refused("NoSuchResourceException", format!("The quota {code} of service {service} does not exist."))
        }
        ("ListServiceQuotas", _) => {
            let quotas: Vec<Value> = of_service().map(|quota| shown(quota, caller, quota.applied)).collect();
            if quotas.is_empty() {
                return refused("NoSuchResourceException", format!("The service {service} does not exist."));
            }
            Ok(json!({"Quotas": quotas}))
        }
        _ => refused("UnsupportedOperation", format!("{action} of Service Quotas is not simulated")),
    }
}
