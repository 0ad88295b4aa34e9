# Holdfast capture, Linux: prints what this machine says about its own network, as one line of JSON on stdout.
# Changes nothing and needs nothing installed: a POSIX sh, with `ip` where there is one, else /proc and /sys.
# The last field is "end":true, so that a reader can tell whole output from output that was cut off.
set -uf
LC_ALL=C
export LC_ALL
# Where the files of the machine are; set by tests only.
root=${HOLDFAST_ROOT-}

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

# Prints the words of $1 as a JSON array of strings.
strings() {
    sep=
    printf '['
    for word in $1; do
        printf '%s' "$sep"
        string "$word"
        sep=,
    done
    printf ']'
}

# Prints the number in file $1, or null.
number_in() {
    value=
    [ -r "$1" ] && read -r value <"$1"
    case $value in
        '' | *[!0-9]*) printf null ;;
        *) printf '%s' "$value" ;;
    esac
}

# /proc/net/route writes an address as the hexadecimal of its bytes in reverse (little-endian machines).
dotted() {
    n=$((0x$1))
    printf '%d.%d.%d.%d' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24 & 255))
}

# The number of set bits in hexadecimal mask $1.
mask_length() {
    n=$((0x$1))
    bits=0
    while [ "$n" -gt 0 ]; do
        bits=$((bits + (n & 1)))
        n=$((n >> 1))
    done
    printf '%d' "$bits"
}

# The value of dotted address $1, as /proc/net/route would have it.
reversed() {
    old_ifs=$IFS
    IFS=.
    # shellcheck disable=SC2086
    set -- $1
    IFS=$old_ifs
    printf '%d' $(($1 | $2 << 8 | $3 << 16 | $4 << 24))
}

have_ip=no
command -v ip >/dev/null 2>&1 && ip -o -4 addr show >/dev/null 2>&1 && have_ip=yes

# The machine's own addresses, from the kernel's table, each once.
local_addresses() {
    seen=' '
    candidate=
    while read -r first second third _; do
        case "$first $second" in
            '|-- '*) candidate=$second ;;
            '/32 host')
                if [ "$third" = LOCAL ]; then
                    case $seen in
                        *" $candidate "*) ;;
                        *)
                            seen="$seen$candidate "
                            printf '%s\n' "$candidate"
                            ;;
                    esac
                fi
                ;;
        esac
    done </proc/net/fib_trie
}

# Lines `address prefix-length flag` of NIC $1, link-local ones left out; flag is `dynamic` where the kernel counts the address's lifetime.
addresses_of() {
    if [ "$have_ip" = yes ]; then
        ip -o -4 addr show dev "$1" 2>/dev/null | while read -r line; do
            # shellcheck disable=SC2086
            set -- $line
            [ "${3-}" = inet ] || continue
            case $4 in 169.254.*) continue ;; esac
            flag=-
            case " $line " in *' dynamic '*) flag=dynamic ;; esac
            case $4 in
                */*) printf '%s %s %s\n' "${4%/*}" "${4#*/}" "$flag" ;;
                *) printf '%s 32 %s\n' "$4" "$flag" ;;
            esac
        done
        return
    fi
    [ -r /proc/net/fib_trie ] && [ -r /proc/net/route ] || return
    local_addresses | while read -r address; do
        case $address in 169.254.*) continue ;; esac
        value=$(reversed "$address")
        # Connected routes only: the longest one that holds the address names its NIC and its prefix length.
        best=-1
        owner=
        while read -r iface destination gateway _ _ _ _ mask _; do
            [ "$iface" = Iface ] && continue
            [ "$gateway" = 00000000 ] && [ "$mask" != 00000000 ] || continue
            [ $((value & 0x$mask)) -eq $((0x$destination)) ] || continue
            length=$(mask_length "$mask")
            if [ "$length" -gt "$best" ]; then
                best=$length
                owner=$iface
            fi
        done </proc/net/route
        if [ "$owner" = "$1" ]; then
            printf '%s %s -\n' "$address" "$best"
        fi
    done
}

# Lines `destination next-hop` of the IPv4 routes of NIC $1 that go through a gateway; not what DHCP brought, but for `default`.
routes_of() {
    if [ "$have_ip" = yes ]; then
        ip -4 route show dev "$1" 2>/dev/null | while read -r line; do
            # shellcheck disable=SC2086
            set -- $line
            destination=${1-}
            via=
            proto=
            while [ $# -gt 1 ]; do
                case $1 in
                    via) via=$2 ;;
                    proto) proto=$2 ;;
                esac
                shift
            done
            [ -n "$via" ] || continue
            case $destination in
                default) ;;
                *)
                    case $proto in dhcp | kernel) continue ;; esac
                    case $destination in 169.254.*) continue ;; esac
                    case $destination in */*) ;; *) destination=$destination/32 ;; esac
                    ;;
            esac
            printf '%s %s\n' "$destination" "$via"
        done
        return
    fi
    [ -r /proc/net/route ] || return
    while read -r iface destination gateway _ _ _ _ mask _; do
        [ "$iface" = "$1" ] && [ "$gateway" != 00000000 ] || continue
        if [ "$mask" = 00000000 ]; then
            printf 'default %s\n' "$(dotted "$gateway")"
        else
            destination=$(dotted "$destination")/$(mask_length "$mask")
            case $destination in 169.254.*) continue ;; esac
            printf '%s %s\n' "$destination" "$(dotted "$gateway")"
        fi
    done </proc/net/route
}

# Whether a DHCP client keeps a lease file for NIC $1.
has_lease() {
    set +f
    found=no
    index=
    [ -r "/sys/class/net/$1/ifindex" ] && read -r index <"/sys/class/net/$1/ifindex"
    for file in "$root/run/systemd/netif/leases/$index" "$root"/var/lib/NetworkManager/*-"$1".lease \
        "$root"/var/lib/dhclient/*"$1"*.lease* "$root"/var/lib/dhcp/*"$1"*.lease* "$root"/run/dhclient*"$1"*.lease* \
        "$root"/var/lib/dhcpcd/"$1"*.lease "$root"/var/lib/wicked/lease-"$1"-dhcp-ipv4.xml; do
        [ -s "$file" ] && found=yes
    done
    set -f
    [ "$found" = yes ]
}

# The last value of key $2 in section [$3] of file $1, quotes taken off; any section where $3 is empty.
value_in() {
    section=
    result=
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line%"${line##*[! 	]}"}
        case $line in
            \[*\]) section=${line#\[} section=${section%\]} ;;
            "$2"=*) [ -n "$3" ] && [ "$section" != "$3" ] || result=${line#*=} ;;
        esac
    done <"$1"
    result=${result#[\"\']}
    result=${result%[\"\']}
    printf '%s' "$result"
}

# What the configuration says of NIC $1 with MAC $2: `dhcp`, `static`, or nothing where it says nothing. NetworkManager's profiles, the files that
# netplan and people write for systemd-networkd, and the ifcfg files of Red Hat and SUSE.
configured() {
    set +f
    for file in "$root"/run/NetworkManager/system-connections/*.nmconnection "$root"/etc/NetworkManager/system-connections/*.nmconnection; do
        [ -r "$file" ] && [ "$(value_in "$file" interface-name connection)" = "$1" ] || continue
        case $(value_in "$file" method ipv4) in
            auto) printf dhcp && return ;;
            manual) printf static && return ;;
        esac
    done
    for file in "$root"/etc/systemd/network/*.network "$root"/run/systemd/network/*.network; do
        [ -r "$file" ] || continue
        [ "$(value_in "$file" Name Match)" = "$1" ] || [ "$(value_in "$file" MACAddress Match)" = "$2" ] || continue
        case $(value_in "$file" DHCP Network) in
            yes | ipv4 | true) printf dhcp ;;
            *) printf static ;;
        esac
        return
    done
    for file in "$root/etc/sysconfig/network-scripts/ifcfg-$1" "$root/etc/sysconfig/network/ifcfg-$1"; do
        [ -r "$file" ] || continue
        case $(value_in "$file" BOOTPROTO '') in
            [Dd][Hh][Cc][Pp]*) printf dhcp ;;
            *) printf static ;;
        esac
        return
    done
}

# What works on EC2 only: routes to link-local addresses, and time servers and resolvers there. Told of, and given back to nobody. One a line.
ec2_only() {
    if [ "$have_ip" = yes ]; then
        ip -4 route show 2>/dev/null | while read -r destination rest; do
            case $destination in
                169.254.*) printf 'route %s %s\n' "$destination" "${rest% }" ;;
            esac
        done
    elif [ -r /proc/net/route ]; then
        while read -r iface destination _ _ _ _ _ mask _; do
            [ "$iface" != Iface ] || continue
            destination=$(dotted "$destination")
            case $destination in
                169.254.*) printf 'route %s/%s dev %s\n' "$destination" "$(mask_length "$mask")" "$iface" ;;
            esac
        done </proc/net/route
    fi
    set +f
    for file in "$root"/etc/chrony.conf "$root"/etc/chrony/chrony.conf "$root"/etc/chrony.d/* "$root"/etc/chrony/conf.d/* \
        "$root"/etc/chrony/sources.d/* "$root"/run/chrony.d/* "$root"/etc/ntp.conf "$root"/etc/systemd/timesyncd.conf \
        "$root"/etc/systemd/timesyncd.conf.d/*; do
        [ -f "$file" ] && [ -r "$file" ] || continue
        while IFS= read -r line || [ -n "$line" ]; do
            case $line in
                [\#\;!%]*) ;;
                *169.254.169.123*) printf 'time server 169.254.169.123 in %s\n' "${file#"$root"}" && break ;;
            esac
        done <"$file"
    done
    set -f
    for server in $servers; do
        case $server in 169.254.*) printf 'DNS server %s\n' "$server" ;; esac
    done
}

resolv=$root/etc/resolv.conf
# systemd-resolved puts its own stub into /etc/resolv.conf and the servers that it asks here.
[ -r "$root/run/systemd/resolve/resolv.conf" ] && resolv=$root/run/systemd/resolve/resolv.conf
servers=
suffixes=
if [ -r "$resolv" ]; then
    while read -r key value; do
        value=${value%%[#;]*}
        case $key in
            nameserver) case $value in *:*) ;; *) servers="$servers $value" ;; esac ;;
            search | domain) suffixes=$value ;;
        esac
    done <"$resolv"
    [ "$suffixes" = . ] && suffixes=
fi

# Prints NIC $1 as a JSON object. $2: `yes` where no NIC has a default gateway, so that the resolver belongs to all.
nic() {
    mac=
    read -r mac <"/sys/class/net/$1/address"
    printf '{"name":'
    string "$1"
    printf ',"mac":'
    string "$mac"
    printf ',"mtu":'
    number_in "/sys/class/net/$1/mtu"
    printf ',"addresses":['
    list=$(addresses_of "$1")
    # What the kernel says counts most: it keeps the lifetime of a leased address. Without `ip` it is not asked.
    addressing=$(configured "$1" "$mac")
    if [ -z "$addressing" ] && has_lease "$1"; then
        addressing=dhcp
    fi
    if [ -z "$addressing" ]; then
        addressing=unknown
        [ "$have_ip" = yes ] && [ -n "$list" ] && addressing=static
    fi
    sep=
    while read -r address length flag; do
        [ -n "$address" ] || continue
        [ "$flag" = dynamic ] && addressing=dhcp
        printf '%s{"address":"%s","prefix_length":%s}' "$sep" "$address" "$length"
        sep=,
    done <<LIST
$list
LIST
    printf '],"addressing":"%s"' "$addressing"
    routes=$(routes_of "$1")
    gateway=
    while read -r destination via; do
        if [ "$destination" = default ] && [ -z "$gateway" ]; then
            gateway=$via
        fi
    done <<LIST
$routes
LIST
    if [ -n "$gateway" ]; then
        printf ',"gateway":"%s"' "$gateway"
    else
        printf ',"gateway":null'
    fi
    if [ -n "$gateway" ] || [ "$2" = yes ]; then
        printf ',"dns":'
        strings "$servers"
        printf ',"dns_suffixes":'
        strings "$suffixes"
    else
        printf ',"dns":[],"dns_suffixes":[]'
    fi
    printf ',"routes":['
    sep=
    while read -r destination via; do
        case $destination in '' | default) continue ;; esac
        printf '%s{"prefix":"%s","gateway":"%s"}' "$sep" "$destination" "$via"
        sep=,
    done <<LIST
$routes
LIST
    printf ']}'
}

host_name=
[ -r /proc/sys/kernel/hostname ] && read -r host_name </proc/sys/kernel/hostname
[ -n "$host_name" ] || host_name=$(uname -n)
# shellcheck disable=SC1091
os=$( ( . /etc/os-release && printf '%s' "${PRETTY_NAME-}" ) 2>/dev/null)
[ -n "$os" ] || os=$(uname -sr)

# Ethernet only (type 1). An interface without hardware behind it (bridge, veth) counts where it has an address.
names=
gateways=
set +f
for path in /sys/class/net/*; do
    name=${path##*/}
    type=
    [ -r "$path/type" ] && read -r type <"$path/type"
    [ "$type" = 1 ] || continue
    [ -e "$path/device" ] || [ -n "$(addresses_of "$name")" ] || continue
    names="$names $name"
    case "$(routes_of "$name")" in *default*) gateways=yes ;; esac
done
set -f
alone=yes
[ -n "$gateways" ] && alone=no

{
    printf '{"schema_version":1,"host_name":'
    string "$host_name"
    printf ',"os":'
    string "$os"
    printf ',"nics":['
    comma=
    for name in $names; do
        printf '%s' "$comma"
        nic "$name" "$alone"
        comma=,
    done
    printf '],"ec2_only":['
    comma=
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        printf '%s' "$comma"
        string "$line"
        comma=,
    done <<LIST
$(ec2_only)
LIST
    printf '],"end":true}\n'
}
