# Holdfast capture, Windows: prints what this machine says about its own network, as one line of JSON on stdout.
# Changes nothing and needs nothing installed: Windows PowerShell 5.1 with the cmdlets of Windows Server 2012 or later.
# The last field is "end":true, so that a reader can tell whole output from output that was cut off.
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0

$searchList = @((Get-DnsClientGlobalSetting).SuffixSearchList | Where-Object { $_ })
$nics = New-Object System.Collections.ArrayList
# What works on EC2 only, link-local all of it: told of, and given back to nobody.
$ec2Only = New-Object System.Collections.ArrayList
foreach ($adapter in @(Get-NetAdapter | Sort-Object -Property ifIndex)) {
    $index = $adapter.ifIndex
    $mac = ([string]$adapter.MacAddress -replace '-', ':').ToLowerInvariant()
    if (-not $mac) { continue }

    $addresses = New-Object System.Collections.ArrayList
    foreach ($ip in @(Get-NetIPAddress -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction SilentlyContinue)) {
        # Tentative and duplicate addresses are not in use; link-local ones are left out.
        if ($ip.AddressState -ne 'Preferred' -or $ip.IPAddress -like '169.254.*') { continue }
        [void]$addresses.Add([ordered]@{ address = [string]$ip.IPAddress; prefix_length = [int]$ip.PrefixLength })
    }

    $mtu = $null
    $addressing = 'unknown'
    $interface = @(Get-NetIPInterface -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction SilentlyContinue)
    if ($interface.Count -gt 0) {
        $mtu = [int64]$interface[0].NlMtu
        if ([string]$interface[0].Dhcp -eq 'Enabled') { $addressing = 'dhcp' } else { $addressing = 'static' }
    }

    # Routes through a gateway; `NetMgmt` are those that a person or a program set, not those that came with an address.
    $gateway = $null
    $routes = New-Object System.Collections.ArrayList
    foreach ($route in @(Get-NetRoute -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction SilentlyContinue | Sort-Object -Property RouteMetric)) {
        if ($route.NextHop -eq '0.0.0.0') { continue }
        if ($route.DestinationPrefix -eq '0.0.0.0/0') {
            if ($null -eq $gateway) { $gateway = [string]$route.NextHop }
        }
        elseif ($route.DestinationPrefix -like '169.254.*') {
            [void]$ec2Only.Add(('route {0} via {1}' -f $route.DestinationPrefix, $route.NextHop))
        }
        elseif ([string]$route.Protocol -eq 'NetMgmt') {
            [void]$routes.Add([ordered]@{ prefix = [string]$route.DestinationPrefix; gateway = [string]$route.NextHop })
        }
    }

    $dns = New-Object System.Collections.ArrayList
    foreach ($entry in @(Get-DnsClientServerAddress -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction SilentlyContinue)) {
        foreach ($server in @($entry.ServerAddresses)) {
            if (-not $server) { continue }
            [void]$dns.Add([string]$server)
            if ($server -like '169.254.*') { [void]$ec2Only.Add("DNS server $server") }
        }
    }
    $suffixes = New-Object System.Collections.ArrayList
    foreach ($client in @(Get-DnsClient -InterfaceIndex $index -ErrorAction SilentlyContinue)) {
        if ($client.ConnectionSpecificSuffix) { [void]$suffixes.Add([string]$client.ConnectionSpecificSuffix) }
    }
    foreach ($suffix in $searchList) { if (-not $suffixes.Contains([string]$suffix)) { [void]$suffixes.Add([string]$suffix) } }

    [void]$nics.Add([ordered]@{
        name = [string]$adapter.Name; mac = $mac; mtu = $mtu
        addresses = $addresses.ToArray(); addressing = $addressing; gateway = $gateway
        dns = $dns.ToArray(); dns_suffixes = $suffixes.ToArray(); routes = $routes.ToArray()
    })
}

# The registry, as `w32tm` and `slmgr` print for people, in the language of Windows.
$settings = @(
    @{ path = 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters'; name = 'NtpServer'; what = 'time server' }
    @{ path = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\SoftwareProtectionPlatform'; name = 'KeyManagementServiceName'; what = 'KMS server' }
)
foreach ($setting in $settings) {
    $item = Get-ItemProperty -Path $setting.path -Name $setting.name -ErrorAction SilentlyContinue
    if ($null -eq $item) { continue }
    $value = [string]$item.($setting.name)
    if ($value -like '*169.254.*') { [void]$ec2Only.Add(('{0} {1}' -f $setting.what, $value)) }
}

$report = [ordered]@{
    schema_version = 1; host_name = [string][System.Net.Dns]::GetHostName()
    os = [string](Get-CimInstance -ClassName Win32_OperatingSystem).Caption
    nics = $nics.ToArray(); ec2_only = $ec2Only.ToArray(); end = $true
}
$json = ConvertTo-Json -InputObject $report -Compress -Depth 6
# ASCII only: adapter names may be in any language, and the console's code page is not ours to choose.
$json = [regex]::Replace($json, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char]$match.Value })
[Console]::Out.WriteLine($json)
