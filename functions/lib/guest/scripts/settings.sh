# Holdfast settings, Linux: gives adapters the configuration that was captured of them. It needs root, and nothing installed.
# Before it, set: HOLDFAST_SETTINGS=<base64>. What it decodes to is data, a line each, and never code:
#   nic MAC | dhcp | address ADDRESS/LENGTH | gateway ADDRESS | dns ADDRESS | suffix NAME | route PREFIX ADDRESS | mtu BYTES
# Behind `dhcp` an address is what the lease has to bring, and nothing else but the MTU counts.
# Each adapter is configured by what manages it: NetworkManager, systemd-networkd (netplan writes for it), ifcfg files, else `ip` alone, which lasts
# until the next start. The new configuration is taken into use and looked at; where it does not hold, or the script is ended, the old one comes back. Files that are
# replaced are kept in /var/lib/holdfast, and profiles of NetworkManager stay, without starting by themselves.
# Prints one line of JSON on stdout; its last field is "end":true, so that a reader can tell whole output from output that was cut off.
set -uf
LC_ALL=C
export LC_ALL
# Where the files of the machine are, and how often it is looked whether a configuration holds; set by tests only.
root=${HOLDFAST_ROOT-}
looks=${HOLDFAST_LOOKS-5}
copies=$root/var/lib/holdfast

# Prints $1 as a JSON string: quotes and backslashes escaped, control characters dropped.
string() {
    rest=$(printf '%s' "$1" | tr -d '\000-\037\177')
    out=
    while [ -n "$rest" ]; do
        tail=${rest#?}
        head=${rest%"$tail"}
        case $head in
            '"' | \\) out=$out\\$head ;;
            *) out=$out$head ;;
        esac
        rest=$tail
    done
    printf '"%s"' "$out"
}

decoded() {
    if command -v base64 >/dev/null 2>&1; then
        printf '%s' "$1" | base64 -d 2>/dev/null
    else
        printf '%s\n' "$1" | openssl base64 -d -A 2>/dev/null
    fi
}

# Whether every line of $1 is one of ours, with nothing in it but what its value is made of.
sound() {
    first=yes
    while read -r key value more rest; do
        [ -z "$rest" ] || return 1
        case $key in
            nic) case $value in '' | *[!0-9a-f:]*) return 1 ;; esac ;;
            address | gateway | dns) case $value in '' | *[!0-9./]*) return 1 ;; esac ;;
            suffix) case $value in '' | -* | *[!A-Za-z0-9.-]*) return 1 ;; esac ;;
            dhcp) [ -z "$value" ] || return 1 ;;
            mtu) case $value in '' | *[!0-9]*) return 1 ;; esac ;;
            route)
                case $value in '' | *[!0-9./]*) return 1 ;; esac
                case $more in '' | *[!0-9.]*) return 1 ;; esac
                ;;
            *) return 1 ;;
        esac
        [ "$key" = route ] || [ -z "$more" ] || return 1
        [ "$first" = no ] || [ "$key" = nic ] || return 1
        first=no
    done <<LINES
$1
LINES
    [ "$first" = no ]
}

# The name of the adapter with MAC address $1.
named() {
    set +f
    for path in /sys/class/net/*; do
        own=
        [ -r "$path/address" ] && read -r own <"$path/address"
        if [ "$own" = "$1" ] && [ "$(cat "$path/type" 2>/dev/null)" = 1 ]; then
            printf '%s' "${path##*/}"
            break
        fi
    done
    set -f
}

# What manages adapter $dev.
manager() {
    if command -v nmcli >/dev/null 2>&1 && [ "$(nmcli -g RUNNING general 2>/dev/null)" = running ]; then
        case $(nmcli -g GENERAL.STATE device show "$dev" 2>/dev/null) in
            '' | 0 | '0 '* | 10 | '10 '* | 20 | '20 '*) ;;
            *) printf NetworkManager && return ;;
        esac
    fi
    if command -v networkctl >/dev/null 2>&1; then
        case $(networkctl --no-legend --no-pager list "$dev" 2>/dev/null) in
            '' | *unmanaged*) ;;
            *) printf systemd-networkd && return ;;
        esac
    fi
    if [ -f "$root/etc/sysconfig/network-scripts/ifcfg-$dev" ] && command -v ifup >/dev/null 2>&1; then
        printf ifcfg && return
    fi
    printf ip
}

# Puts the words of $1 together with $2 between them.
joined() {
    line=
    for word in $1; do line=$line${line:+"$2"}$word; done
    printf '%s' "$line"
}

# The file $1, or that there was none, is remembered under $copies.
keep() {
    mkdir -p "$copies" || return 1
    rm -f "$copies/${1##*/}"
    [ ! -f "$1" ] || cp -p "$1" "$copies/${1##*/}"
}

# Puts the file $1 back as it was.
give_back() {
    rm -f "$1"
    [ ! -f "$copies/${1##*/}" ] || cp -p "$copies/${1##*/}" "$1"
}

# Writes stdin as file $1, whole or not at all.
write() {
    mkdir -p "${1%/*}" && cat >"$1.holdfast-new" && mv "$1.holdfast-new" "$1"
}

# Each way has a `put_`, which takes the configuration into use, and a `back_`, which undoes that.

put_NetworkManager() {
    old=$(nmcli -g GENERAL.CON-UUID device show "$dev" 2>/dev/null)
    read -r new </proc/sys/kernel/random/uuid
    hops=$(printf '%s' "$routes" | while read -r prefix hop; do printf '%s %s, ' "$prefix" "$hop"; done)
    if [ "$dhcp" = yes ]; then
        set -- ipv4.method auto
    else
        set -- ipv4.method manual ipv4.addresses "$(joined "$addresses" ,)" \
            ipv4.gateway "$gateway" ipv4.dns "$(joined "$dns" ,)" ipv4.dns-search "$(joined "$suffixes" ,)" \
            ipv4.routes "${hops%, }"
    fi
    [ -z "$mtu" ] || set -- "$@" 802-3-ethernet.mtu "$mtu"
    nmcli connection add type ethernet con-name "holdfast-$dev" ifname "$dev" connection.uuid "$new" \
        connection.autoconnect-priority 100 "$@" >/dev/null 2>&1 && nmcli --wait 10 connection up "$new" >/dev/null 2>&1
}

back_NetworkManager() {
    nmcli connection delete "$new" >/dev/null 2>&1
    [ -z "$old" ] || nmcli --wait 10 connection up "$old" >/dev/null 2>&1
}

put_systemd_networkd() {
    # Before those of netplan, which begin with 10: the first file that matches an adapter counts.
    file=$root/etc/systemd/network/05-holdfast-$dev.network
    keep "$file" || return 1
    {
        printf '[Match]\nMACAddress=%s\n\n' "$mac"
        [ -z "$mtu" ] || printf '[Link]\nMTUBytes=%s\n\n' "$mtu"
        if [ "$dhcp" = yes ]; then
            printf '[Network]\nDHCP=ipv4\n'
        else
            printf '[Network]\nDHCP=no\n'
            for value in $addresses; do printf 'Address=%s\n' "$value"; done
        fi
        [ -z "$gateway" ] || printf 'Gateway=%s\n' "$gateway"
        for value in $dns; do printf 'DNS=%s\n' "$value"; done
        [ -z "$suffixes" ] || printf 'Domains=%s\n' "$(joined "$suffixes" ' ')"
        printf '%s' "$routes" | while read -r prefix hop; do
            printf '\n[Route]\nDestination=%s\nGateway=%s\n' "$prefix" "$hop"
        done
    } | write "$file" && networkctl reload && networkctl reconfigure "$dev"
}

back_systemd_networkd() {
    give_back "$file"
    networkctl reload && networkctl reconfigure "$dev"
}

put_ifcfg() {
    file=$root/etc/sysconfig/network-scripts/ifcfg-$dev
    hops=$root/etc/sysconfig/network-scripts/route-$dev
    keep "$file" && keep "$hops" || return 1
    {
        printf 'DEVICE=%s\nTYPE=Ethernet\nONBOOT=yes\n' "$dev"
        [ -z "$mtu" ] || printf 'MTU=%s\n' "$mtu"
        if [ "$dhcp" = yes ]; then
            printf 'BOOTPROTO=dhcp\n'
        else
            printf 'BOOTPROTO=none\nPEERDNS=no\n'
            n=0
            for value in $addresses; do
                printf 'IPADDR%s=%s\nPREFIX%s=%s\n' "$n" "${value%/*}" "$n" "${value#*/}"
                n=$((n + 1))
            done
        fi
        [ -z "$gateway" ] || printf 'GATEWAY=%s\n' "$gateway"
        n=1
        for value in $dns; do
            printf 'DNS%s=%s\n' "$n" "$value"
            n=$((n + 1))
        done
        [ -z "$suffixes" ] || printf 'DOMAIN="%s"\n' "$(joined "$suffixes" ' ')"
    } | write "$file" || return 1
    if [ -n "$routes" ]; then
        printf '%s' "$routes" | while read -r prefix hop; do printf '%s via %s\n' "$prefix" "$hop"; done | write "$hops" || return 1
    fi
    ifdown "$dev" >/dev/null 2>&1
    ifup "$dev" >/dev/null 2>&1
}

back_ifcfg() {
    give_back "$file"
    give_back "$hops"
    ifdown "$dev" >/dev/null 2>&1
    ifup "$dev" >/dev/null 2>&1
}

put_ip() {
    added=
    hops=
    before=$(ip -4 route show default)
    [ -z "$mtu" ] || ip link set dev "$dev" mtu "$mtu" || return 1
    for value in $addresses; do
        case " $(ip -o -4 addr show dev "$dev") " in
            *" $value "*) ;;
            *)
                ip addr add "$value" dev "$dev" || return 1
                added="$added $value"
                ;;
        esac
    done
    [ -z "$gateway" ] || ip route replace default via "$gateway" dev "$dev" || return 1
    while read -r prefix hop; do
        [ -n "$prefix" ] && [ -z "$(ip -4 route show "$prefix")" ] || continue
        ip route add "$prefix" via "$hop" dev "$dev" || return 1
        hops="$hops $prefix"
    done <<LINES
$routes
LINES
}

back_ip() {
    for value in $hops; do ip route del "$value" dev "$dev"; done
    [ -z "$gateway" ] || ip route del default via "$gateway" dev "$dev" 2>/dev/null
    for value in $added; do ip addr del "$value" dev "$dev"; done
    first=$(printf '%s\n' "$before" | head -n 1)
    # shellcheck disable=SC2086
    [ -z "$first" ] || ip route replace $first
}

# Whether the gateway answers, where there is a `ping` to ask it with.
reaches() {
    [ -z "$gateway" ] || ! command -v ping >/dev/null 2>&1 || ping -c 1 -W 1 "$gateway" >/dev/null 2>&1
}

has_addresses() {
    have=$(ip -o -4 addr show dev "$dev" 2>/dev/null)
    for value in $addresses; do
        case $have in *" $value "*) ;; *) return 1 ;; esac
    done
}

# Whether adapter $dev has what it was given, and reaches what it reached before.
holds() {
    [ -z "$mtu" ] || [ "$(cat "/sys/class/net/$dev/mtu")" = "$mtu" ] || return 1
    has_addresses || return 1
    if [ -n "$gateway" ]; then
        case " $(ip -4 route show default dev "$dev" 2>/dev/null) " in *" via $gateway "*) ;; *) return 1 ;; esac
    fi
    [ "$reached" = no ] || reaches
}

# The old configuration of adapter $dev, with its MTU.
undone() {
    "$undo"
    [ -z "$mtu" ] || ip link set dev "$dev" mtu "$was" 2>/dev/null
}

comma=
# Prints what became of the adapter: $1 the outcome, $2 why.
told() {
    printf '%s{"mac":' "$comma"
    string "$mac"
    printf ',"outcome":"%s","by":' "$1"
    string "$by"
    printf ',"why":'
    string "$2"
    printf '}'
    comma=,
}

# Configures the adapter that the lines before were about.
configure() {
    [ -n "$mac" ] || return 0
    by=
    dev=$(named "$mac")
    [ -n "$dev" ] || { told refused 'there is no adapter with this MAC address' && return; }
    [ -n "$addresses" ] || { told refused 'no address was given' && return; }
    command -v ip >/dev/null 2>&1 || { told refused 'there is no program ip to see with whether it holds' && return; }
    by=$(manager)
    way=$(printf '%s' "$by" | tr - _)
    if [ "$dhcp" = yes ]; then
        # What has its lease may be given its MTU.
        if [ "$by" = ip ] && { [ -z "$mtu" ] || ! has_addresses; }; then
            told refused 'nothing that is known here manages it, so that nothing takes a lease'
            return
        fi
        gateway=
        dns=
        suffixes=
        routes=
    fi
    reached=no
    reaches && reached=yes
    n=0
    # A lease takes longer than an address.
    most=$looks
    [ "$dhcp" = no ] || most=$((looks * 3))
    was=$(cat "/sys/class/net/$dev/mtu")
    undo=back_$way
    if "put_$way"; then
        until holds; do
            n=$((n + 1))
            [ "$n" -lt "$most" ] || break
            sleep 1
        done
        if [ "$n" -lt "$most" ]; then
            undo=
            [ "$by" != NetworkManager ] || [ -z "$old" ] || nmcli connection modify "$old" connection.autoconnect no >/dev/null 2>&1
            if [ "$by" = ip ]; then told until_restart 'nothing that is known here manages it'; else told 'set' ''; fi
            return
        fi
        why='the new configuration did not hold'
    else
        why='the new configuration was not taken'
    fi
    undone
    undo=
    told back "$why, the old one is in use again"
}

# Nothing is known of the next adapter.
forget() {
    dhcp=no
    mtu=
    addresses=
    gateway=
    dns=
    suffixes=
    routes=
}

# Systems Manager ends a script that takes too long: then too the old configuration comes back.
undo=
ended() {
    trap '' TERM INT HUP
    [ -z "$undo" ] || undone
    printf '\n'
    exit 1
}
trap ended TERM INT HUP

settings=$(decoded "${HOLDFAST_SETTINGS-}")
printf '{"schema_version":1,"results":['
mac=
by=
if sound "$settings"; then
    forget
    while read -r key value more; do
        case $key in
            nic)
                configure </dev/null
                forget
                mac=$value
                ;;
            dhcp) dhcp=yes ;;
            mtu) mtu=$value ;;
            address) addresses="$addresses $value" ;;
            gateway) gateway=$value ;;
            dns) dns="$dns $value" ;;
            suffix) suffixes="$suffixes $value" ;;
            route)
                routes="$routes$value $more
"
                ;;
        esac
    done <<LINES
$settings
LINES
    configure </dev/null
else
    told refused 'the settings are not sound: nothing was changed'
fi
printf '],"end":true}\n'
