# Holdfast probe, Windows: pings targets, connects to a TCP port where one is given, prints one line of JSON on stdout.
# Before it, set: $HoldfastTargets='address address', $HoldfastCount=n, and $HoldfastPort=n or 0.
# All targets are asked at the same time. A target that could not be asked has an "error" and no counts: that is not silence.
# .NET does not show duplicate replies, so "duplicates" is null here.
# The last field is "end":true, so that a reader can tell whole output from output that was cut off.
$ErrorActionPreference = 'Stop'
$timeout = 1000

$results = New-Object System.Collections.ArrayList
foreach ($target in @($HoldfastTargets -split '\s+' | Where-Object { $_ })) {
    $entry = [ordered]@{ target = [string]$target; sent = $null; received = $null; duplicates = $null; error = $null; tcp = $null }
    $address = $null
    if ($target -notmatch '^[0-9.]+$' -or -not [System.Net.IPAddress]::TryParse($target, [ref]$address)) {
        $entry.error = 'not an IPv4 address'
    }
    else {
        $entry.sent = 0
        $entry.received = 0
    }
    [void]$results.Add($entry)
}

for ($round = 0; $round -lt $HoldfastCount; $round++) {
    $waiting = New-Object System.Collections.ArrayList
    foreach ($entry in $results) {
        if ($null -ne $entry.error) { continue }
        $ping = New-Object System.Net.NetworkInformation.Ping
        $entry.sent++
        [void]$waiting.Add(@{ entry = $entry; ping = $ping; task = $ping.SendPingAsync($entry.target, $timeout) })
    }
    foreach ($one in $waiting) {
        try {
            if ($one.task.Result.Status -eq 'Success') { $one.entry.received++ }
        }
        catch {
            $one.entry.error = 'ping: ' + $_.Exception.GetBaseException().Message
            $one.entry.sent = $null
            $one.entry.received = $null
        }
        finally { $one.ping.Dispose() }
    }
}

if ($HoldfastPort -gt 0) {
    $waiting = New-Object System.Collections.ArrayList
    foreach ($entry in $results) {
        if ($null -ne $entry.error) { continue }
        $client = New-Object System.Net.Sockets.TcpClient
        [void]$waiting.Add(@{ entry = $entry; client = $client; task = $client.ConnectAsync([string]$entry.target, [int]$HoldfastPort) })
    }
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    foreach ($one in $waiting) {
        $left = [int][Math]::Max(0, 2000 - $watch.ElapsedMilliseconds)
        $connected = $false
        try { $connected = $one.task.Wait($left) } catch { $connected = $false }
        $one.entry.tcp = [ordered]@{ port = [int]$HoldfastPort; connected = [bool]$connected }
        $one.client.Close()
    }
}

$report = [ordered]@{
    schema_version = 1; host_name = [string][System.Net.Dns]::GetHostName(); results = $results.ToArray(); end = $true
}
$json = ConvertTo-Json -InputObject $report -Compress -Depth 6
# ASCII only: messages may be in any language, and the console's code page is not ours to choose.
$json = [regex]::Replace($json, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char]$match.Value })
[Console]::Out.WriteLine($json)
