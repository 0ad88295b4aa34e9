//! What all descriptions of EC2 have in common.

use std::collections::BTreeMap;

use holdfast_sim::World;
use holdfast_sim::ec2;
use holdfast_sim::ec2::throttle::{MUTATING, READING, UNFILTERED, rate};

use crate::support::Aws;

/// EC2 User Guide, "List and filter using the CLI and API": filter values may hold the wildcards `*` and `?`.
#[tokio::test]
async fn wildcards_fit_as_in_ec2_filters() {
    let aws = Aws::start().await;
    for (pattern, found) in [
        ("web-*", true),
        ("w?b*", true),
        ("*", true),
        ("w*b*1", true),
        ("web-1", true),
        ("w?-1", false),
        ("w*d", false),
    ] {
        let filter = [("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", pattern)];
        let answer = aws.ec2("DescribeInstances", &filter).await;
        assert_eq!(answer.body.contains("<instanceId>i-01</instanceId>"), found, "{pattern}: {}", answer.body);
    }
}

#[test]
fn a_description_of_everything_has_the_smaller_bucket() {
    let form = |key: &str| BTreeMap::from([(key.to_owned(), "x".to_owned())]);
    assert_eq!(rate("DescribeInstances", false, &form("Action")), UNFILTERED);
    for narrowed in ["Filter.1.Name", "InstanceId.1", "MaxResults"] {
        assert_eq!(rate("DescribeInstances", false, &form(narrowed)), READING);
    }
    assert_eq!(rate("DescribeRouteTables", false, &form("Action")), READING);
    assert_eq!(rate("CreateRoute", true, &form("Action")), MUTATING);
}

#[test]
fn a_call_goes_by_the_same_rules_where_no_server_holds_the_world() {
    let mut world = World::empty();
    let mut call = |action: &str, parameters: &[(&str, &str)]| {
        ec2::call(&mut world, "111122223333", "ap-northeast-1", action, parameters, jiff::Timestamp::UNIX_EPOCH)
    };
    assert!(call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap().contains("<vpcId>vpc-"));
    assert_eq!(call("DeleteVpc", &[("VpcId", "vpc-0")]).unwrap_err().0, "InvalidVpcID.NotFound");
}
