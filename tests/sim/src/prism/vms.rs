//! VMs of the `vmm` namespace.

use super::change::{Change, PowerAction};
use super::handlers::{Accepted, Needs, check_if_match, etag, one, path_id};
use super::ids::ExtId;
use super::level::Level;
use super::reply::{Refused, Reply, Request};
use super::state::{Power, Prism, Vm};
use super::task::{Affected, REL_VM};
use super::{Context, body, odata, render};

const VMS: odata::ListRules = odata::ListRules {
    response: "vmm.v4.ahv.config.ListVmsApiResponse",
    item: "vmm.v4.ahv.config.Vm",
    filters: &[
        "name",
        "extId",
        "cluster/extId",
        "host/extId",
        "powerState",
        "memorySizeBytes",
        "numSockets",
        "machineType",
        "isAgentVm",
    ],
    orders: &["name", "createTime", "updateTime"],
};

impl Prism {
    /// The VM of a path.
    pub(super) fn path_vm(&self, id: &str) -> Result<&Vm, Refused> {
        let parsed = path_id(id)?;
        self.vms.get(&parsed).ok_or_else(|| Refused::not_found("VM", id))
    }

    pub(super) fn list_vms(&self, request: &Request, level: Level) -> Result<Reply, Refused> {
        // Of thousands of VMs only those that can match are written out.
        let named = request.query.iter().find_map(|(key, filter)| {
            let name = filter.strip_prefix("name eq '")?.strip_suffix('\'').filter(|name| !name.contains('\''));
            name.filter(|_| key == "$filter")
        });
        let listed = self.vms.values().filter(|vm| named.is_none_or(|name| vm.name == name));
        odata::list(request, &VMS, level, listed.map(|vm| render::vm(self, vm, level)).collect())
    }

    pub(super) fn get_vm(&mut self, id: &str, level: Level, cx: &Context<'_>) -> Result<Reply, Refused> {
        let ext_id = self.path_vm(id)?.ext_id;
        if let Some(vm) = self.vms.get_mut(&ext_id) {
            vm.reads = vm.reads.wrapping_add(1);
            let every = cx.switches.etag_drift_every;
            if every > 0 && vm.reads.is_multiple_of(every) {
                vm.touch(cx.now);
            }
        }
        let vm = self.path_vm(id)?;
        let tag = etag("vm", vm.ext_id, vm.version);
        let entity = render::vm(self, vm, level);
        Ok(one("vmm.v4.ahv.config.Vm", "vmm.v4.ahv.config.GetVmApiResponse", entity, level, Some(tag)))
    }

    pub(super) fn prepare_vm(
        &mut self,
        request: &Request,
        level: Level,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let body = body::object(request)?;
        let name = body::required(body::text(&body, "/name")?, "/name")?.to_owned();
        let cluster = body::required(body::ext_id(&body, "/cluster/extId")?, "/cluster/extId")?;
        if !self.clusters.contains_key(&cluster) {
            return Err(Refused::not_found("cluster", cluster));
        }
        let count = body::items(&body, "/nics")?.len();
        let nics = (0..count)
            .map(|i| body::nic(&body, &format!("/nics/{i}"), level)?.whole())
            .collect::<Result<Vec<_>, _>>()?;
        let positive = |path: &str, default: i64| {
            let n = body::number(&body, path)?.unwrap_or(default);
            u64::try_from(n).map_err(|_| Refused::body(path, "must not be negative"))
        };
        let sockets = u32::try_from(positive("/numSockets", 1)?).unwrap_or(u32::MAX);
        let memory_bytes = positive("/memorySizeBytes", 4 << 30)?;
        let description = body::text(&body, "/description")?.map(str::to_owned);
        let ext_id = self.next_id("vm");
        let vm = Vm {
            ext_id,
            name,
            description,
            cluster,
            power: Power::Off,
            nics: Vec::new(),
            version: 1,
            reads: 0,
            sockets,
            memory_bytes,
            guest_tools: false,
            created: cx.now,
            updated: cx.now,
        };
        Ok(Accepted {
            operation: "CreateVm",
            response: "vmm.v4.ahv.config.CreateVmApiResponse",
            affected: Vec::new(),
            if_version: None,
            change: Change::CreateVm(Box::new(vm), nics),
        })
    }

    pub(super) fn prepare_vm_delete(&self, request: &Request, id: &str, cx: &Context<'_>) -> Result<Accepted, Refused> {
        let vm = self.path_vm(id)?;
        Ok(Accepted {
            operation: "DeleteVm",
            response: "vmm.v4.ahv.config.DeleteVmApiResponse",
            affected: of_vm(vm.ext_id),
            if_version: check_if_match(request, vm, Needs::UnlessDropped, cx)?,
            change: Change::DeleteVm(vm.ext_id),
        })
    }

    pub(super) fn prepare_power(
        &self,
        request: &Request,
        id: &str,
        action: PowerAction,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let vm = self.path_vm(id)?;
        let (operation, response) = match action {
            PowerAction::On => ("PowerOnVm", "vmm.v4.ahv.config.PowerOnVmApiResponse"),
            PowerAction::Off => ("PowerOffVm", "vmm.v4.ahv.config.PowerOffVmApiResponse"),
            PowerAction::Again => ("RebootVm", "vmm.v4.ahv.config.RebootVmApiResponse"),
        };
        Ok(Accepted {
            operation,
            response,
            affected: of_vm(vm.ext_id),
            if_version: check_if_match(request, vm, Needs::UnlessDropped, cx)?,
            change: Change::Power(vm.ext_id, action),
        })
    }
}

/// The VM as an affected entity.
pub fn of_vm(ext_id: ExtId) -> Vec<Affected> {
    vec![Affected { ext_id, rel: REL_VM }]
}
