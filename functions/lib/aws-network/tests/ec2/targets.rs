//! Load-balancer targets as Elastic Load Balancing tells them.

use super::*;
use holdfast_aws_network::{ErrorKind, read_targets};
use holdfast_sim::WorldFile;
use holdfast_sim::ec2::file::TargetGroupFile;

/// Two groups of the VPC that is left, and `others` of another one.
async fn balanced(others: usize) -> Sim {
    start(|world| {
        let mut file = WorldFile::parse(include_str!("world.yaml")).unwrap();
        let groups = &mut file.regions.get_mut("eu-west-1").unwrap().target_groups;
        let mut add = |name: String, vpc: &str, targets: &[&str]| {
            let targets = targets.iter().map(|target| (*target).to_owned()).collect();
            groups.push(TargetGroupFile { name, vpc: vpc.to_owned(), port: 443, targets });
        };
        add("front".into(), "old", &["till", "stock"]);
        for n in 0..others {
            add(format!("other-{n}"), "shared", &["10.5.1.9"]);
        }
        add("inner".into(), "old", &["10.1.5.10", "192.168.1.7"]);
        *world = World::from_file(&file).unwrap();
    })
    .await
}

fn sites(names: &[&str]) -> BTreeSet<SiteName> {
    names.iter().map(|name| id(name)).collect()
}

#[tokio::test]
async fn targets_of_every_group_of_the_vpc_are_read_and_of_no_other() {
    let sim = balanced(450).await;
    let read = read_targets(&networks(&sim), &map(), &sites(&["old"])).await.unwrap();
    let target =
        |group: &str, target| LoadBalancerTarget { group: group.to_owned(), vpc: id("vpc-00000000000000001"), target };
    let address = |text: &str| TargetKind::Address { address: text.parse().unwrap() };
    assert_eq!(
        read[&id("old")],
        [
            target("front", TargetKind::Instance { id: id("i-00000000000000001") }),
            target("front", TargetKind::Instance { id: id("i-00000000000000002") }),
            target("inner", address("10.1.5.10")),
            target("inner", address("192.168.1.7")),
        ]
    );
    assert_eq!((calls(&sim, "DescribeTargetGroups"), calls(&sim, "DescribeTargetHealth")), (2, 2));
    // Nobody leaves an EC2 site: nobody is asked.
    sim.shared().gate().log().clear();
    assert_eq!(read_targets(&networks(&sim), &map(), &BTreeSet::new()).await.unwrap(), BTreeMap::new());
    assert_eq!(sim.shared().gate().log().since(0).len(), 0);
}

#[tokio::test]
async fn a_group_that_cannot_be_read_leaves_nothing_known() {
    for action in ["DescribeTargetGroups", "DescribeTargetHealth"] {
        let sim = balanced(0).await;
        fault(
            &sim,
            json!({"match": {"service": "elasticloadbalancing", "action": action}, "skip": 0, "effect": {"kind": "error", "code": "AccessDenied", "status": 403, "message": "no"}}),
        );
        let error = read_targets(&networks(&sim), &map(), &sites(&["old"])).await.unwrap_err();
        assert_eq!((error.kind, error.action), (ErrorKind::Denied, action), "{error}");
        assert_eq!(Fault::from(error).name, FaultName::AccessDenied);
    }
}
