"""Drives a Prism Central with Nutanix's own SDKs: what they get accepted, and what they get refused.

Arguments: URL, user, password, file with the certificate to trust. Any disagreement ends with a traceback.
"""

import sys
from urllib.parse import urlparse

import ntnx_networking_py_client as networking
import ntnx_prism_py_client as prism
import ntnx_vmm_py_client as vmm
from ntnx_networking_py_client.models.common.v1.config.IPAddress import IPAddress
from ntnx_networking_py_client.models.common.v1.config.IPv4Address import IPv4Address
from ntnx_networking_py_client.models.networking.v4.config.IpReserveSpec import IpReserveSpec
from ntnx_networking_py_client.models.networking.v4.config.ReserveType import ReserveType
from ntnx_vmm_py_client.models.common.v1.config.IPv4Address import IPv4Address as VmIPv4Address
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.AssignIpParams import AssignIpParams
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.Ipv4Config import Ipv4Config
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.MigrateNicConfig import MigrateNicConfig
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.MigrateNicType import MigrateNicType
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.Nic import Nic
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.SubnetReference import SubnetReference
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.VirtualEthernetNic import VirtualEthernetNic
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.VirtualEthernetNicNetworkInfo import (
    VirtualEthernetNicNetworkInfo,
)

URL, USER, PASSWORD, CA_FILE = sys.argv[1:5]


def client(sdk):
    configuration = sdk.Configuration()
    configuration.scheme = "https"
    configuration.host = urlparse(URL).hostname
    configuration.port = urlparse(URL).port
    configuration.username = USER
    configuration.password = PASSWORD
    configuration.verify_ssl = True
    configuration.root_ca_certificate_file = CA_FILE
    configuration.max_retry_attempts = 0
    return sdk.ApiClient(configuration=configuration)


VMS = vmm.VmApi(api_client=client(vmm))
SUBNETS = networking.SubnetsApi(api_client=client(networking))
RESERVATIONS = networking.SubnetIPReservationApi(api_client=client(networking))
TASKS = prism.TasksApi(api_client=client(prism))


def ended(reply):
    """Polls the task of a reply to its end."""
    seen = []
    for _ in range(20):
        task = TASKS.get_task_by_id(reply.data.ext_id).data
        seen.append(task.status)
        if task.status in ("SUCCEEDED", "FAILED"):
            return task, seen
    raise AssertionError(f"the task does not end: {seen}")


def succeeded(reply):
    task, _ = ended(reply)
    assert task.status == "SUCCEEDED", task.error_messages
    return task


def failed(reply):
    task, _ = ended(reply)
    assert task.status == "FAILED", task
    return task.error_messages[0]


def refused(call, status, code):
    try:
        call()
    except vmm.rest.ApiException as error:
        assert error.status == status, (error.status, error.body)
        assert code in str(error.body), error.body
        return
    raise AssertionError(f"accepted, though {status} {code} was due")


def vm_named(name):
    quoted = name.replace("'", "''")
    found = VMS.list_vms(_filter=f"name eq '{quoted}'").data
    assert [vm.name for vm in found] == [name], found
    return found[0].ext_id


def etag(vm):
    tag = vmm.ApiClient.get_etag(VMS.get_vm_by_id(vm))
    assert tag, "the SDK found no ETag"
    return tag


def subnet_named(name):
    return SUBNETS.list_subnets(_filter=f"name eq '{name}'").data[0].ext_id


def new_nic(subnet, address):
    return Nic(
        nic_backing_info=VirtualEthernetNic(is_connected=True, mac_address="50:6b:8d:aa:bb:01"),
        nic_network_info=VirtualEthernetNicNetworkInfo(
            subnet=SubnetReference(ext_id=subnet),
            ipv4_config=Ipv4Config(should_assign_ip=True, ip_address=VmIPv4Address(value=address)),
        ),
    )


def address_of(nic):
    config = nic.nic_network_info.ipv4_config
    return config.ip_address and config.ip_address.value


def nics(vm):
    return VMS.list_nics_by_vm_id(vm).data or []


web, app, landing = vm_named("web-1"), subnet_named("app"), subnet_named("landing")
vm_named("o'brien")
assert VMS.list_vms(_filter="name eq 'nobody'").data is None
refused(lambda: VMS.list_vms(_limit=101), 400, "limit")

# A list, a get and their types.
[nic] = nics(web)
assert type(nic.nic_network_info).__name__ == "VirtualEthernetNicNetworkInfo", type(nic.nic_network_info)
assert address_of(nic) == "172.31.99.10", nic
assert nic.network_info.subnet.ext_id == landing

# No ETag, and one that the VM has left behind.
refused(lambda: VMS.delete_nic_by_id(web, nic.ext_id), 428, "PLAT-10004")
old = etag(web)

# Migrate to the other subnet with its address: the same NIC, the same MAC.
move = MigrateNicConfig(
    subnet=SubnetReference(ext_id=app), migrate_type=MigrateNicType.ASSIGN_IP, ip_address=VmIPv4Address(value="172.30.1.34")
)
task, seen = ended(VMS.migrate_nic_by_id(web, nic.ext_id, move, if_match=old))
assert seen == ["QUEUED", "RUNNING", "SUCCEEDED"], seen
assert any(entity.rel == "vmm:ahv:config:vm" for entity in task.entities_affected), task
refused(lambda: VMS.delete_nic_by_id(web, nic.ext_id, if_match=old), 412, "PLAT-10005")
etag(web)
[moved] = nics(web)
assert (moved.ext_id, address_of(moved)) == (nic.ext_id, "172.30.1.34"), moved
assert moved.nic_backing_info.mac_address == nic.nic_backing_info.mac_address

# Release and assign.
succeeded(VMS.release_ip_by_id(web, nic.ext_id, if_match=etag(web)))
assign = AssignIpParams(ip_address=VmIPv4Address(value="172.30.1.50"))
assert "already assigned" in failed(VMS.assign_ip_by_id(web, nic.ext_id, assign, if_match=etag(web))).message
assign = AssignIpParams(ip_address=VmIPv4Address(value="172.30.1.35"))
succeeded(VMS.assign_ip_by_id(web, nic.ext_id, assign, if_match=etag(web)))

# Delete and create with a static address; a held address and an empty pool fail the task.
succeeded(VMS.delete_nic_by_id(web, nic.ext_id, if_match=etag(web)))
assert nics(web) == []
assert failed(VMS.create_nic(web, new_nic(app, "172.30.1.50"), if_match=etag(web))).severity == "ERROR"
task = succeeded(VMS.create_nic(web, new_nic(app, "172.30.1.34"), if_match=etag(web)))
made = [entity.ext_id for entity in task.entities_affected if entity.rel == "vmm:ahv:config:vm:nic"]
etag(web)
[created] = nics(web)
assert [created.ext_id] == made, (created, made)
assert (address_of(created), created.nic_backing_info.mac_address) == ("172.30.1.34", "50:6b:8d:aa:bb:01"), created

# The link, by PUT: the SDK sends the ETag that it read with the NIC by itself.
body = VMS.get_nic_by_id(web, created.ext_id).data
body.backing_info.is_connected = body.nic_backing_info.is_connected = False
succeeded(VMS.update_nic_by_id(web, created.ext_id, body))
assert VMS.get_nic_by_id(web, created.ext_id).data.nic_backing_info.is_connected is False

# Networking: addresses in use and reserved.
subnet = SUBNETS.get_subnet_by_id(app).data
assert subnet.ip_prefix == "172.30.1.0/24", subnet
assert subnet.ip_usage.num_assigned_i_ps == 2, subnet.ip_usage
held = {a.ipv4.value for vnic in SUBNETS.list_vnics_by_subnet_id(app).data for a in vnic.assigned_ipv4_addresses}
assert held == {"172.30.1.34", "172.30.1.50"}, held
spec = IpReserveSpec(
    reserve_type=ReserveType.IP_ADDRESS_LIST,
    ip_addresses=[IPAddress(ipv4=IPv4Address(value="172.30.1.60"))],
    client_context="judge",
)
succeeded(RESERVATIONS.reserve_ips_by_subnet_id(app, spec))
reserved = {ip.ipv4_address for ip in RESERVATIONS.list_reserved_ips_by_subnet_id(app).data}
assert reserved == {"172.30.1.60", "172.30.1.150"}, reserved

print("the official SDK agrees")
