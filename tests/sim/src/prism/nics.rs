//! NICs of VMs.

use super::address::Wanted;
use super::change::Change;
use super::handlers::{Accepted, Needs, check_if_match, etag, one, path_id};
use super::ids::ExtId;
use super::level::Level;
use super::reply::{Refused, Reply, Request};
use super::state::{Nic, Prism, Vm};
use super::switches::TornNicUpdate;
use super::task::{Affected, REL_NIC};
use super::vms::of_vm;
use super::{Context, body, odata, render};

const NICS: odata::ListRules = odata::ListRules {
    response: "vmm.v4.ahv.config.ListNicsApiResponse",
    item: "vmm.v4.ahv.config.Nic",
    filters: &[],
    orders: &[],
};

fn affected(vm: ExtId, nic: ExtId) -> Vec<Affected> {
    let mut all = of_vm(vm);
    all.push(Affected { ext_id: nic, rel: REL_NIC });
    all
}

/// A change of one NIC that passed its checks but for the VM's version.
fn accept(
    (operation, response): (&'static str, &'static str),
    request: &Request,
    (vm, nic): (&Vm, &Nic),
    change: Change,
    cx: &Context<'_>,
) -> Result<Accepted, Refused> {
    let if_version = check_if_match(request, vm, Needs::UnlessDropped, cx)?;
    Ok(Accepted { operation, response, affected: affected(vm.ext_id, nic.ext_id), if_version, change })
}

impl Prism {
    fn path_nic(&self, vm: &str, nic: &str) -> Result<(&Vm, &Nic), Refused> {
        let owner = self.path_vm(vm)?;
        let found = owner.nic(path_id(nic)?).ok_or_else(|| Refused::not_found("NIC", nic))?;
        Ok((owner, found))
    }

    pub(super) fn list_nics(&self, request: &Request, vm: &str, level: Level) -> Result<Reply, Refused> {
        let vm = self.path_vm(vm)?;
        odata::list(request, &NICS, level, vm.nics.iter().map(|n| render::nic(n, level)).collect())
    }

    pub(super) fn get_nic(&self, vm: &str, nic: &str, level: Level) -> Result<Reply, Refused> {
        let (vm, nic) = self.path_nic(vm, nic)?;
        let tag = etag("nic", nic.ext_id, vm.version);
        let entity = render::nic(nic, level);
        Ok(one("vmm.v4.ahv.config.Nic", "vmm.v4.ahv.config.GetNicApiResponse", entity, level, Some(tag)))
    }

    pub(super) fn prepare_nic(
        &self,
        request: &Request,
        vm: &str,
        level: Level,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let vm = self.path_vm(vm)?;
        let wish = body::nic(&body::object(request)?, "", level)?.whole()?;
        Ok(Accepted {
            operation: "CreateNic",
            response: "vmm.v4.ahv.config.CreateNicApiResponse",
            affected: of_vm(vm.ext_id),
            if_version: check_if_match(request, vm, Needs::UnlessDropped, cx)?,
            change: Change::CreateNic(vm.ext_id, wish),
        })
    }

    pub(super) fn prepare_nic_update(
        &self,
        request: &Request,
        vm: &str,
        nic: &str,
        level: Level,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let (vm, nic) = self.path_nic(vm, nic)?;
        let form = body::nic(&body::object(request)?, "", level)?;
        let wish = match (cx.switches.torn_nic_update, &form.torn) {
            // What still says what the NIC is like already was only carried along.
            (TornNicUpdate::ChangedWins, Some(older)) if form.wish.shape == nic.shape => older.clone(),
            (TornNicUpdate::ChangedWins, _) => form.wish,
            (TornNicUpdate::Refused, _) => form.whole()?,
        };
        Ok(Accepted {
            operation: "UpdateNic",
            response: "vmm.v4.ahv.config.UpdateNicApiResponse",
            affected: affected(vm.ext_id, nic.ext_id),
            if_version: check_if_match(request, vm, Needs::Always, cx)?,
            change: Change::UpdateNic(vm.ext_id, nic.ext_id, wish),
        })
    }

    pub(super) fn prepare_nic_delete(
        &self,
        request: &Request,
        vm: &str,
        nic: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let (vm, nic) = self.path_nic(vm, nic)?;
        let named = ("DeleteNic", "vmm.v4.ahv.config.DeleteNicApiResponse");
        accept(named, request, (vm, nic), Change::DeleteNic(vm.ext_id, nic.ext_id), cx)
    }

    pub(super) fn prepare_nic_migrate(
        &self,
        request: &Request,
        vm: &str,
        nic: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let (vm, nic) = self.path_nic(vm, nic)?;
        let body = body::object(request)?;
        let subnet = body::required(body::ext_id(&body, "/subnet/extId")?, "/subnet/extId")?;
        let address = body::address(&body, "/ipAddress")?;
        let wanted = match (body::required(body::text(&body, "/migrateType")?, "/migrateType")?, address) {
            ("ASSIGN_IP", Some(address)) => Wanted::Exactly(address),
            ("ASSIGN_IP", None) => Wanted::Any,
            ("RELEASE_IP", None) => Wanted::Nothing,
            ("RELEASE_IP", Some(_)) => return Err(Refused::body("/ipAddress", "does not go with RELEASE_IP")),
            (other, _) => return Err(Refused::body("/migrateType", format!("`{other}` is not a migrate type"))),
        };
        let named = ("MigrateNic", "vmm.v4.ahv.config.MigrateNicApiResponse");
        accept(named, request, (vm, nic), Change::MigrateNic(vm.ext_id, nic.ext_id, subnet, wanted), cx)
    }

    pub(super) fn prepare_assign(
        &self,
        request: &Request,
        vm: &str,
        nic: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let (vm, nic) = self.path_nic(vm, nic)?;
        let wanted = if request.body.iter().all(u8::is_ascii_whitespace) {
            Wanted::Any
        } else {
            body::address(&body::object(request)?, "/ipAddress")?.map_or(Wanted::Any, Wanted::Exactly)
        };
        let named = ("AssignIp", "vmm.v4.ahv.config.AssignIpApiResponse");
        accept(named, request, (vm, nic), Change::AssignIp(vm.ext_id, nic.ext_id, wanted), cx)
    }

    pub(super) fn prepare_release(
        &self,
        request: &Request,
        vm: &str,
        nic: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let (vm, nic) = self.path_nic(vm, nic)?;
        let named = ("ReleaseIp", "vmm.v4.ahv.config.ReleaseIpApiResponse");
        accept(named, request, (vm, nic), Change::ReleaseIp(vm.ext_id, nic.ext_id), cx)
    }
}
