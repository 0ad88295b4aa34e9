//! Target groups of the world file.

use std::net::Ipv4Addr;

use super::Loader;
use crate::{
    ec2::{
        file::TargetGroupFile,
        id,
        state::{Kind, TargetGroup},
    },
    world_file::WorldError,
};

impl Loader<'_> {
    pub(super) fn target_groups(
        &mut self,
        region: &str,
        place: &str,
        groups: &[TargetGroupFile],
    ) -> Result<(), WorldError> {
        for file in groups {
            let place = format!("{place}.target_groups[{}]", file.name);
            let vpc = self.resolve(Kind::Vpc, region, &place, &file.vpc)?;
            let home = self.ec2.vpcs.get(&vpc).map(|found| found.home.clone());
            let home = home.ok_or_else(|| WorldError::at(&place, format!("there is no VPC `{}`", file.vpc)))?;
            let by_ip = file.targets.iter().all(|target| target.parse::<Ipv4Addr>().is_ok());
            let mut targets = file.targets.clone();
            if !by_ip {
                for target in &mut targets {
                    *target = self.resolve(Kind::Instance, region, &format!("{place}.targets"), target)?;
                }
            }
            let digits = id::digits(&format!("{region}/{}", file.name), 16);
            let account = &home.account;
            let arn = format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{}/{digits}", file.name);
            let group = TargetGroup { home, name: file.name.clone(), vpc, port: file.port, by_ip, targets };
            if self.ec2.target_groups.insert(arn, group).is_some() {
                return Err(WorldError::at(place, "a second target group has this name: give it another"));
            }
        }
        Ok(())
    }
}
