//! Reads the quotas that count routes.

use crate::codes::Ec2Error;
use crate::network::AwsNetwork;
use crate::pace::Class;
use futures::future::join_all;
use holdfast_model::{Quota, QuotaName, Quotas, Scope};
use std::collections::{BTreeMap, BTreeSet};

const APPLIED: &str = "GetServiceQuota";
const DEFAULT: &str = "GetAWSDefaultServiceQuota";

/// Service code and quota code, as the tables of "Quotas for your transit gateways" and "Amazon VPC quotas" link them: `Routes per transit gateway`,
/// `Routes per route table`.
fn codes(name: QuotaName) -> (&'static str, &'static str) {
    match name {
        QuotaName::TgwRoutes => ("ec2", "L-BCC1FB47"),
        QuotaName::VpcTableRoutes => ("vpc", "L-93826ACB"),
    }
}

/// Reads quotas, all accounts and Regions at once. One that cannot be read is told so, with the reason: it stops nobody.
pub async fn read_quotas(
    networks: &BTreeMap<Scope, AwsNetwork>,
    wanted: &BTreeMap<Scope, BTreeSet<QuotaName>>,
) -> BTreeMap<Scope, Quotas> {
    let scopes = wanted.iter().filter_map(|(scope, names)| Some((scope, networks.get(scope)?, names)));
    let reads = scopes.map(|(scope, network, names)| async move {
        let quotas = join_all(names.iter().map(|name| async move { (*name, network.read_quota(*name).await) }));
        (scope.clone(), quotas.await.into_iter().collect())
    });
    join_all(reads).await.into_iter().collect()
}

impl AwsNetwork {
    async fn read_quota(&self, name: QuotaName) -> Quota {
        match self.value_of(name).await {
            Ok(value) => Quota::Applied { value },
            Err(error) => Quota::Unread { why: error.to_string() },
        }
    }

    /// The applied value; where a quota has none that was ever changed, Service Quotas may know the default only.
    /// <https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html>
    async fn value_of(&self, name: QuotaName) -> Result<u32, Ec2Error> {
        let (service, code) = codes(name);
        let what = format!("quota `{code}`");
        self.pace.take(APPLIED, Class::Read).await;
        let applied = self.quotas.get_service_quota().service_code(service).quota_code(code).send().await;
        let (action, quota) = match applied {
            Ok(answer) => (APPLIED, answer.quota),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_resource_exception()) => {
                self.pace.take(DEFAULT, Class::Read).await;
                let usual = self.quotas.get_aws_default_service_quota().service_code(service).quota_code(code);
                (DEFAULT, usual.send().await.map_err(|error| self.error(DEFAULT, &what, &error))?.quota)
            }
            Err(error) => return Err(self.error(APPLIED, &what, &error)),
        };
        let value = quota.and_then(|quota| quota.value());
        value.and_then(whole).ok_or_else(|| self.malformed(action, &what, format!("its value is {value:?}")))
    }
}

/// Service Quotas tells every value as a floating-point number.
fn whole(value: f64) -> Option<u32> {
    let fits = value.is_finite() && value >= 0.0 && value <= f64::from(u32::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was seen to fit")]
    fits.then_some(value as u32)
}
