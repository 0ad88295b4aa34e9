"""Drives Prism Centrals of several levels with one version of Nutanix's own SDKs.

Arguments: the version of the v4 API that the SDKs were made for, then for each Prism Central: its level, URL, user,
password, and the file with the certificate to trust. Any disagreement ends with a traceback.
"""

import sys
from urllib.parse import urlparse

import ntnx_networking_py_client as networking
import ntnx_prism_py_client as prism
import ntnx_vmm_py_client as vmm
from ntnx_vmm_py_client.models.common.v1.config.IPv4Address import IPv4Address
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.AssignIpParams import AssignIpParams
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.EmulatedNic import EmulatedNic
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.Ipv4Config import Ipv4Config
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.MigrateNicConfig import MigrateNicConfig
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.MigrateNicType import MigrateNicType
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.Nic import Nic
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.NicNetworkInfo import NicNetworkInfo
from ntnx_vmm_py_client.models.vmm.v4.ahv.config.SubnetReference import SubnetReference

MADE_FOR = sys.argv[1]


def client(sdk, url, user, password, ca_file):
    configuration = sdk.Configuration()
    configuration.scheme = "https"
    configuration.host = urlparse(url).hostname
    configuration.port = urlparse(url).port
    configuration.username = user
    configuration.password = password
    configuration.verify_ssl = True
    # The betas have another name for it.
    configuration.root_ca_certificate_file = configuration.ssl_ca_cert = ca_file
    configuration.max_retry_attempts = 0
    return sdk.ApiClient(configuration=configuration)


def spoken(level):
    """Whether these SDKs and a Prism Central of this level have a version in common (nutanix-api A.4)."""
    if "b" in MADE_FOR or "b" in level:
        return MADE_FOR == level
    # From v4.2 on SDKs take the server's level, but none below v4.2; older ones know their own alone.
    floor = min(MADE_FOR, "4.2")
    return level >= floor


def journey(beta, vms, subnets, tasks):
    def succeeded(reply):
        for _ in range(20):
            task = tasks.get_task_by_id(reply.data.ext_id).data
            if task.status == "SUCCEEDED":
                return task
            assert task.status in ("QUEUED", "RUNNING"), task
        raise AssertionError("the task does not end")

    def etag():
        tag = vmm.ApiClient.get_etag(vms.get_vm_by_id(vm))
        assert tag, "the SDK found no ETag"
        return {"if_match": tag}

    def only_nic():
        [nic] = vms.list_nics_by_vm_id(vm).data
        address = nic.network_info.ipv4_config.ip_address
        return nic, address and address.value

    def subnet_named(name):
        [found] = subnets.list_subnets(_filter=f"name eq '{name}'").data
        assert type(found).__name__ == "Subnet", type(found)
        return found.ext_id

    vm = vms.list_vms(_filter="name eq 'old-1'").data[0].ext_id
    app, landing = subnet_named("app"), subnet_named("landing")
    get = subnets.get_subnet if beta else subnets.get_subnet_by_id
    assert get(landing).data.ip_config[0].ipv4.ip_subnet.prefix_length == 24
    nic, address = only_nic()
    assert (address, nic.network_info.subnet.ext_id) == ("172.31.99.10", landing), nic

    move = MigrateNicConfig(
        subnet=SubnetReference(ext_id=app), migrate_type=MigrateNicType.ASSIGN_IP, ip_address=IPv4Address(value="172.30.1.34")
    )
    task = succeeded(vms.migrate_nic_by_id(vm, nic.ext_id, move, **etag()))
    rels = {entity.rel for entity in task.entities_affected}
    assert ("vmm:ahv:vm" if beta else "vmm:ahv:config:vm") in rels, rels
    succeeded(vms.release_ip_by_id(vm, nic.ext_id, **etag()))
    assign = AssignIpParams(ip_address=IPv4Address(value="172.30.1.35"))
    succeeded(vms.assign_ip_by_id(vm, nic.ext_id, assign, **etag()))
    etag()
    moved, address = only_nic()
    assert (moved.ext_id, moved.backing_info.mac_address, address) == (nic.ext_id, nic.backing_info.mac_address, "172.30.1.35")

    body = vms.get_nic_by_id(vm, nic.ext_id).data
    pairs = [body.backing_info, getattr(body, "nic_backing_info", None)]
    for pair in filter(None, pairs):
        pair.is_connected = False
    succeeded(vms.update_nic_by_id(vm, nic.ext_id, body))

    succeeded(vms.delete_nic_by_id(vm, nic.ext_id, **etag()))
    new = Nic(
        backing_info=EmulatedNic(mac_address=nic.backing_info.mac_address, is_connected=True),
        network_info=NicNetworkInfo(
            subnet=SubnetReference(ext_id=app),
            ipv4_config=Ipv4Config(should_assign_ip=True, ip_address=IPv4Address(value="172.30.1.34")),
        ),
    )
    succeeded(vms.create_nic(vm, new, **etag()))
    etag()
    made, address = only_nic()
    assert (made.backing_info.mac_address, address) == (nic.backing_info.mac_address, "172.30.1.34"), made
    if not beta:
        held = {a.ipv4.value for vnic in subnets.list_vnics_by_subnet_id(app).data for a in vnic.assigned_ipv4_addresses}
        assert held == {"172.30.1.34"}, held


for level, *where in zip(*[iter(sys.argv[2:])] * 5):
    vms = vmm.VmApi(api_client=client(vmm, *where))
    subnets_api = networking.SubnetApi if "b" in MADE_FOR else networking.SubnetsApi
    subnets = subnets_api(api_client=client(networking, *where))
    tasks = prism.TasksApi(api_client=client(prism, *where))
    if spoken(level):
        journey("b" in MADE_FOR, vms, subnets, tasks)
        continue
    try:
        found = vms.list_vms()
    except vmm.rest.ApiException as error:
        assert error.status == 404 and "requested URL was not found" in str(error.body), error
    else:
        raise AssertionError(f"SDKs for {MADE_FOR} must not understand a Prism Central of {level}, got {found}")

print("the official SDK agrees")
