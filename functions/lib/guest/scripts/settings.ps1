# Holdfast settings, Windows: gives adapters the configuration that was captured of them. Windows PowerShell 5.1, run as administrator.
# Before it, set: $HoldfastSettings='<base64>'. What it decodes to is data, a line each, and never code:
#   nic MAC | dhcp | address ADDRESS/LENGTH | gateway ADDRESS | dns ADDRESS | suffix NAME | route PREFIX ADDRESS | mtu BYTES
# Behind `dhcp` an address is what the lease has to bring, and nothing else but the MTU counts.
# An adapter that is not there any more (a ghost) and still claims one of the addresses gives it up, and is removed where Windows can do so. The new
# configuration is taken into use and looked at; where it does not hold, the old one comes back. What is replaced is kept in ProgramData\Holdfast.
# Prints one line of JSON on stdout; its last field is "end":true, so that a reader can tell whole output from output that was cut off.
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version 2.0

$copies = Join-Path $env:ProgramData 'Holdfast'
$classes = 'HKLM:\SYSTEM\CurrentControlSet\Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}'
$interfaces = 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces'
$dotted = '^\d{1,3}(\.\d{1,3}){3}$'
$prefix = '^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$'

function Read-Settings([string]$Text) {
    $all = New-Object System.Collections.ArrayList
    $nic = $null
    foreach ($line in @($Text -split "`n" | Where-Object { $_ })) {
        $words = @($line.Trim() -split ' ')
        $key = $words[0]
        $count = 2
        if ($key -eq 'route') { $count = 3 }
        if ($key -eq 'dhcp') { $count = 1 }
        if ($words.Count -ne $count) { throw 'the settings are not sound: nothing was changed' }
        $value = ''
        if ($count -gt 1) { $value = $words[1] }
        if ($key -ceq 'nic' -and $value -cmatch '^[0-9a-f]{2}(:[0-9a-f]{2}){5}$') {
            $nic = @{
                mac = $value; dhcp = $false; mtu = 0; addresses = New-Object System.Collections.ArrayList; gateway = ''
                dns = New-Object System.Collections.ArrayList; suffixes = New-Object System.Collections.ArrayList
                routes = New-Object System.Collections.ArrayList
            }
            [void]$all.Add($nic)
        }
        elseif ($null -eq $nic) { throw 'the settings are not sound: nothing was changed' }
        elseif ($key -ceq 'address' -and $value -match $prefix) { [void]$nic.addresses.Add($value) }
        elseif ($key -ceq 'dhcp') { $nic.dhcp = $true }
        elseif ($key -ceq 'mtu' -and $value -match '^\d{3,5}$') { $nic.mtu = [int]$value }
        elseif ($key -ceq 'gateway' -and $value -match $dotted) { $nic.gateway = $value }
        elseif ($key -ceq 'dns' -and $value -match $dotted) { [void]$nic.dns.Add($value) }
        elseif ($key -ceq 'suffix' -and $value -match '^[A-Za-z0-9][A-Za-z0-9.-]*$') { [void]$nic.suffixes.Add($value) }
        elseif ($key -ceq 'route' -and $value -match $prefix -and $words[2] -match $dotted) {
            [void]$nic.routes.Add(@{ prefix = $value; hop = $words[2] })
        }
        else { throw 'the settings are not sound: nothing was changed' }
    }
    if ($all.Count -eq 0) { throw 'the settings are not sound: nothing was changed' }
    return , $all.ToArray()
}

# What an adapter has now.
function Get-Settings($Index) {
    $addresses = @(Get-NetIPAddress -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue |
            Where-Object { $_.IPAddress -notlike '169.254.*' })
    $routes = @(Get-NetRoute -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue |
            Where-Object { $_.NextHop -ne '0.0.0.0' })
    $interface = Get-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4
    return @{
        dhcp = [string]$interface.Dhcp
        mtu = [int]$interface.NlMtu
        addresses = @($addresses | ForEach-Object { '{0}/{1}' -f $_.IPAddress, $_.PrefixLength })
        routes = @($routes | ForEach-Object { @{ prefix = [string]$_.DestinationPrefix; hop = [string]$_.NextHop } })
        dns = @((Get-DnsClientServerAddress -InterfaceIndex $Index -AddressFamily IPv4).ServerAddresses)
        suffix = [string](Get-DnsClient -InterfaceIndex $Index).ConnectionSpecificSuffix
    }
}

function Clear-Settings($Index) {
    Get-NetRoute -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue |
        Where-Object { $_.NextHop -ne '0.0.0.0' } | Remove-NetRoute -Confirm:$false -ErrorAction SilentlyContinue
    Get-NetIPAddress -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue |
        Remove-NetIPAddress -Confirm:$false -ErrorAction SilentlyContinue
}

function Set-Static($Index, $Addresses, $Routes) {
    Set-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4 -Dhcp Disabled
    Clear-Settings $Index
    foreach ($address in $Addresses) {
        $parts = $address -split '/'
        [void](New-NetIPAddress -InterfaceIndex $Index -AddressFamily IPv4 -IPAddress $parts[0] -PrefixLength ([int]$parts[1]))
    }
    foreach ($route in $Routes) {
        [void](New-NetRoute -InterfaceIndex $Index -AddressFamily IPv4 -DestinationPrefix $route.prefix -NextHop $route.hop)
    }
}

function Set-Lease($Index) {
    Clear-Settings $Index
    Set-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4 -Dhcp Enabled
    Set-DnsClientServerAddress -InterfaceIndex $Index -ResetServerAddresses
    # A lease is asked for at once.
    [void](& ipconfig.exe /renew)
}

# Gives an adapter back what it had.
function Undo-Settings($Index, $Before) {
    if ($Before.dhcp -eq 'Enabled') { Set-Lease $Index }
    else {
        Set-Static $Index $Before.addresses $Before.routes
        if ($Before.dns.Count -gt 0) { Set-DnsClientServerAddress -InterfaceIndex $Index -ServerAddresses $Before.dns }
    }
    Set-DnsClient -InterfaceIndex $Index -ConnectionSpecificSuffix $Before.suffix
    Set-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4 -NlMtuBytes $Before.mtu
}

# Takes addresses away from adapters that are not there any more. A copy of each registry key is kept.
function Clear-Ghosts($Addresses) {
    $present = @(Get-NetAdapter -IncludeHidden | ForEach-Object { [string]$_.InterfaceGuid })
    $wanted = @($Addresses | ForEach-Object { ($_ -split '/')[0] })
    foreach ($key in @(Get-ChildItem -Path $interfaces)) {
        $guid = $key.PSChildName
        if ($present -contains $guid) { continue }
        $claimed = @($key.GetValue('IPAddress') | Where-Object { $wanted -contains $_ })
        if ($claimed.Count -eq 0) { continue }
        $copy = Join-Path $copies ('ghost-{0}.reg' -f $guid.Trim('{}'))
        [void](& reg.exe export ('HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\' + $guid) $copy /y)
        $path = Join-Path $interfaces $guid
        Set-ItemProperty -Path $path -Name 'EnableDHCP' -Value 1
        foreach ($name in 'IPAddress', 'SubnetMask', 'DefaultGateway', 'NameServer') {
            Remove-ItemProperty -Path $path -Name $name -ErrorAction SilentlyContinue
        }
        $connection = Get-ItemProperty -Path (Join-Path $classes "$guid\Connection") -Name 'PnPInstanceId' -ErrorAction SilentlyContinue
        # Windows Server 2022 and Windows 10 2004 on: before that the device stays, without the address.
        if ($null -ne $connection -and [Environment]::OSVersion.Version.Build -ge 19041) {
            [void](& pnputil.exe /remove-device ([string]$connection.PnPInstanceId))
        }
    }
}

function Test-Gateway([string]$Gateway) {
    if (-not $Gateway) { return $true }
    $ping = New-Object System.Net.NetworkInformation.Ping
    try { return ($ping.Send($Gateway, 1000).Status -eq 'Success') } catch { return $false } finally { $ping.Dispose() }
}

# Whether an adapter has what it was given, and reaches what it reached before.
function Test-Settings($Index, $Nic, [bool]$Reached) {
    $have = @(Get-NetIPAddress -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue |
            Where-Object { $_.AddressState -eq 'Preferred' } | ForEach-Object { '{0}/{1}' -f $_.IPAddress, $_.PrefixLength })
    foreach ($address in $Nic.addresses) { if ($have -notcontains $address) { return $false } }
    $interface = Get-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4
    if ($Nic.mtu -gt 0 -and [int]$interface.NlMtu -ne $Nic.mtu) { return $false }
    if ($Nic.dhcp) { return ([string]$interface.Dhcp -eq 'Enabled') }
    if ($Nic.gateway) {
        $default = @(Get-NetRoute -InterfaceIndex $Index -DestinationPrefix '0.0.0.0/0' -ErrorAction SilentlyContinue |
                Where-Object { $_.NextHop -eq $Nic.gateway })
        if ($default.Count -eq 0) { return $false }
    }
    return (-not $Reached) -or (Test-Gateway $Nic.gateway)
}

function Set-Adapter($Nic) {
    $adapter = @(Get-NetAdapter | Where-Object { ([string]$_.MacAddress -replace '-', ':').ToLowerInvariant() -eq $Nic.mac })
    if ($adapter.Count -ne 1) { return @('refused', 'there is no adapter with this MAC address') }
    if ($Nic.addresses.Count -eq 0) { return @('refused', 'no address was given') }
    $index = $adapter[0].ifIndex
    $before = Get-Settings $index
    [void](New-Item -ItemType Directory -Path $copies -Force)
    $copy = Join-Path $copies ('adapter-{0}.json' -f ($Nic.mac -replace ':', ''))
    ConvertTo-Json -InputObject $before -Depth 6 | Set-Content -Path $copy -Encoding UTF8
    $reached = Test-Gateway $Nic.gateway
    $why = 'the new configuration did not hold'
    try {
        Clear-Ghosts $Nic.addresses
        $routes = @($Nic.routes.ToArray())
        if ($Nic.gateway) { $routes = @(@{ prefix = '0.0.0.0/0'; hop = $Nic.gateway }) + $routes }
        $looks = 5
        if ($Nic.dhcp) {
            # A lease takes longer than an address.
            $looks = 15
            Set-Lease $index
        }
        else {
            Set-Static $index $Nic.addresses.ToArray() $routes
            if ($Nic.dns.Count -gt 0) { Set-DnsClientServerAddress -InterfaceIndex $index -ServerAddresses $Nic.dns.ToArray() }
            if ($Nic.suffixes.Count -gt 0) { Set-DnsClient -InterfaceIndex $index -ConnectionSpecificSuffix $Nic.suffixes[0] }
        }
        if ($Nic.mtu -gt 0) { Set-NetIPInterface -InterfaceIndex $index -AddressFamily IPv4 -NlMtuBytes $Nic.mtu }
        for ($look = 0; $look -lt $looks; $look++) {
            if (Test-Settings $index $Nic $reached) { return @('set', '') }
            Start-Sleep -Seconds 1
        }
    }
    catch { $why = 'the new configuration was not taken: ' + $_.Exception.Message }
    Undo-Settings $index $before
    return @('back', "$why, the old one is in use again")
}

$results = New-Object System.Collections.ArrayList
try {
    $nics = Read-Settings ([System.Text.Encoding]::ASCII.GetString([System.Convert]::FromBase64String($HoldfastSettings)))
    foreach ($nic in $nics) {
        try { $outcome = @(Set-Adapter $nic) }
        catch { $outcome = @('broken', ('{0}; what it had is in {1}' -f $_.Exception.Message, $copies)) }
        [void]$results.Add([ordered]@{ mac = $nic.mac; outcome = [string]$outcome[0]; by = 'Windows'; why = [string]$outcome[1] })
    }
}
catch { [void]$results.Add([ordered]@{ mac = ''; outcome = 'refused'; by = ''; why = [string]$_.Exception.Message }) }

$json = ConvertTo-Json -InputObject ([ordered]@{ schema_version = 1; results = $results.ToArray(); end = $true }) -Compress -Depth 6
# ASCII only: messages may be in any language, and the console's code page is not ours to choose.
$json = [regex]::Replace($json, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char]$match.Value })
[Console]::Out.WriteLine($json)
