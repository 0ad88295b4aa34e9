# Holdfast probe, Linux: pings targets, connects to a TCP port where one is given, prints one line of JSON on stdout.
# Before it, set: HOLDFAST_TARGETS='address address', HOLDFAST_COUNT=n, and HOLDFAST_PORT=n or empty.
# All targets are asked at the same time. A target that could not be asked has an "error" and no counts: that is not silence.
# The last field is "end":true, so that a reader can tell whole output from output that was cut off.
set -uf
LC_ALL=C
export LC_ALL
targets=${HOLDFAST_TARGETS-}
count=${HOLDFAST_COUNT-3}
port=${HOLDFAST_PORT-}

# Prints $1 as a JSON string; only printable ASCII is kept, quotes and backslashes become spaces.
string() {
    # shellcheck disable=SC1003
    printf '"%s"' "$(printf '%s' "$1" | tr '\n\t"\\' '    ' | tr -cd '\040-\176')"
}

# Connects to $1:$port within two seconds: `true`, `false`, or nothing where this machine has no tool for it.
connect() {
    if command -v bash >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1; then
        if timeout 2 bash -c "exec 3<>/dev/tcp/$1/$port" 2>/dev/null; then printf true; else printf false; fi
    elif command -v nc >/dev/null 2>&1; then
        if nc -z -w 2 "$1" "$port" >/dev/null 2>&1; then printf true; else printf false; fi
    fi
}

# Prints the result for target $1 as a JSON object.
probe() {
    sent=null
    received=null
    duplicates=null
    error=
    case $1 in
        *[!0-9.]* | '') error='not an IPv4 address' ;;
        *)
            if command -v ping >/dev/null 2>&1; then
                text=$(ping -n -c "$count" -W 1 "$1" 2>&1)
                # iputils: "3 packets transmitted, 3 received, +1 duplicates, 0% packet loss"; busybox: "3 packets received".
                summary=$(printf '%s\n' "$text" | grep 'packets transmitted')
                if [ -n "$summary" ]; then
                    duplicates=0
                    old_ifs=$IFS
                    IFS=,
                    # shellcheck disable=SC2086
                    set -- "$1" $summary
                    IFS=$old_ifs
                    target=$1
                    shift
                    for part in "$@"; do
                        part=${part# }
                        number=${part%% *}
                        case $part in
                            *transmitted*) sent=$number ;;
                            *duplicates*) duplicates=${number#+} ;;
                            *received*) received=$number ;;
                        esac
                    done
                    set -- "$target"
                else
                    error="ping: ${text:-no output}"
                fi
            else
                error='no ping on this machine'
            fi
            ;;
    esac
    printf '{"target":'
    string "$1"
    printf ',"sent":%s,"received":%s,"duplicates":%s,"error":' "$sent" "$received" "$duplicates"
    if [ -n "$error" ]; then string "$error"; else printf null; fi
    printf ',"tcp":'
    connected=
    case $1 in *[!0-9.]* | '') ;; *) [ -n "$port" ] && connected=$(connect "$1") ;; esac
    if [ -n "$connected" ]; then
        printf '{"port":%s,"connected":%s}' "$port" "$connected"
    else
        printf null
    fi
    printf '}'
}

directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
n=0
for target in $targets; do
    n=$((n + 1))
    probe "$target" >"$directory/$n" &
done
wait
host_name=
[ -r /proc/sys/kernel/hostname ] && read -r host_name </proc/sys/kernel/hostname
printf '{"schema_version":1,"host_name":'
string "$host_name"
printf ',"results":['
i=0
while [ "$i" -lt "$n" ]; do
    i=$((i + 1))
    [ "$i" -gt 1 ] && printf ,
    cat "$directory/$i"
done
printf '],"end":true}\n'
