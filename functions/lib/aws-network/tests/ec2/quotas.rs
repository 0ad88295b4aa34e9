//! Quotas as Service Quotas tells them.

use super::*;
use holdfast_aws_network::read_quotas;

fn all(sim: &Sim) -> BTreeMap<Scope, BTreeSet<QuotaName>> {
    networks(sim).into_keys().map(|scope| (scope, QuotaName::ALL.into())).collect()
}

fn west() -> Scope {
    Scope { account: id("main"), region: id("eu-west-1") }
}

#[tokio::test]
async fn the_applied_quota_is_read_and_only_what_is_wanted() {
    let sim = start(|world| {
        world.switches.ec2.routes_per_transit_gateway = 12_345;
        world.switches.ec2.routes_per_table = 50;
    })
    .await;
    let read = read_quotas(&networks(&sim), &all(&sim)).await;
    assert_eq!(read.len(), 2);
    for quotas in read.values() {
        assert_eq!(quotas[&QuotaName::TgwRoutes], Quota::Applied { value: 12_345 });
        assert_eq!(quotas[&QuotaName::VpcTableRoutes], Quota::Applied { value: 50 });
    }
    assert_eq!(calls(&sim, "GetServiceQuota"), 4);
    sim.shared().gate().log().clear();
    let one = BTreeMap::from([(west(), BTreeSet::from([QuotaName::TgwRoutes]))]);
    assert_eq!(read_quotas(&networks(&sim), &one).await[&west()].len(), 1);
    assert_eq!(read_quotas(&networks(&sim), &BTreeMap::new()).await, BTreeMap::new());
    assert_eq!(sim.shared().gate().log().since(0).len(), 1);
}

/// Service Quotas API reference, `GetServiceQuota`: where no applied value is available, the quota is not retrieved.
#[tokio::test]
async fn a_quota_that_was_never_changed_has_its_default() {
    let sim = start(|world| world.switches.ec2.routes_per_transit_gateway = 7).await;
    fault(
        &sim,
        json!({"match": {"action": "GetServiceQuota"}, "effect": {"kind": "error", "code": "NoSuchResourceException", "status": 400, "message": "x"}}),
    );
    let read = read_quotas(&networks(&sim), &all(&sim)).await;
    assert_eq!(read[&west()][&QuotaName::TgwRoutes], Quota::Applied { value: 10_000 });
    assert_eq!(read[&west()][&QuotaName::VpcTableRoutes], Quota::Applied { value: 500 });
}

#[tokio::test]
async fn a_quota_that_may_not_be_read_is_unread_with_the_reason_and_the_others_are_read() {
    let sim = start(|_| {}).await;
    fault(
        &sim,
        json!({"match": {"action": "GetServiceQuota", "region": "eu-west-1"}, "effect": {"kind": "error", "code": "AccessDeniedException", "status": 400, "message": "no"}}),
    );
    let read = read_quotas(&networks(&sim), &all(&sim)).await;
    let Quota::Unread { why } = &read[&west()][&QuotaName::TgwRoutes] else { panic!("{read:?}") };
    assert_eq!(
        why,
        "GetServiceQuota of quota `L-BCC1FB47` in account `main` in eu-west-1: not allowed (AccessDeniedException: no)"
    );
    let central = Scope { region: id("eu-central-1"), ..west() };
    assert_eq!(read[&central][&QuotaName::TgwRoutes], Quota::Applied { value: 10_000 });
}
