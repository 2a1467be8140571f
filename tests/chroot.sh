#!/bin/bash
# chroot.sh [--peers-cache DIR] [--only demo|check] [--keep] - both README commands as on a new machine: a
# Debian 12 with git and nothing else, a fresh clone of what is committed here. Prints how long each took,
# and its second run. Needs root and mmdebstrap; says "skipped" and exits 77 without.
#
# --peers-cache DIR  use the test peers in DIR (~/.cache/kubectl-hoop-peers) instead of building them
# --keep             leave the chroot in place
#
# The chroot reaches package mirrors and Go modules as this machine does: its apt sources and settings,
# certificates, name resolution and proxy variables are copied at run time.
set -eu -o pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/steps.sh
. "$root/tests/steps.sh"

cache='' only='' keep=false
while [ $# -gt 0 ]; do
    case $1 in
    --peers-cache) cache=$(cd "$2" && pwd) && shift ;;
    --only) only=$2 && shift ;;
    --keep) keep=true ;;
    *)
        sed -n '2s/^# //p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done

if [ "$(id -u)" -ne 0 ] || ! command -v mmdebstrap >/dev/null; then
    echo "skipped: needs root and mmdebstrap"
    exit 77
fi

place=$(mktemp -d "${TMPDIR:-/tmp}/khoop-chroot.XXXXXX")
chroot=$place/root
leave() {
    # Mounts are made in a namespace of their own and are gone by now; --one-file-system in case not.
    if $keep; then
        echo "kept: $chroot" >&2
    else
        rm -rf --one-file-system "$place"
    fi
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- how this machine reaches the outside ---

sources=()
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    sources=(/etc/apt/sources.list.d/debian.sources)
elif [ -s /etc/apt/sources.list ]; then
    sources=(/etc/apt/sources.list)
fi
apt-config dump | grep -iE '^Acquire::(https?|ftp)::' >"$place/apt.conf" || :

settings=()
for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!variable-}" ] || settings+=("$variable=${!variable}")
done
if command -v go >/dev/null; then
    settings+=("GOPROXY=$(go env GOPROXY)" "GOSUMDB=$(go env GOSUMDB)")
fi

copy_settings() {
    cp -L /etc/resolv.conf /etc/hosts "$chroot/etc/" &&
        cp "$place/apt.conf" "$chroot/etc/apt/apt.conf.d/90outside" &&
        mkdir -p "$chroot/usr/local/share/ca-certificates" &&
        find /usr/local/share/ca-certificates -name '*.crt' \
            -exec cp -L {} "$chroot/usr/local/share/ca-certificates/" \; &&
        chroot "$chroot" update-ca-certificates
}

# --- the new machine ---

steps_note "a new Debian 12 in $chroot"
steps_run "mmdebstrap" "$place/mmdebstrap.log" mmdebstrap --variant=minbase --include=ca-certificates,git \
    --aptopt="$place/apt.conf" bookworm "$chroot" ${sources[@]+"${sources[@]}"}
steps_run "copy how to reach the outside" "$place/settings.log" copy_settings
steps_run "clone" "$place/clone.log" git clone -q "file://$root" "$chroot/srv/kubectl-hoop"

# inside CMD...: runs CMD in the clone, in namespaces of its own: nothing that it starts or mounts stays.
inside() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child --propagation private "$BASH" -eu -c '
        chroot=$1 cache=$2
        shift 2
        mount -t proc proc "$chroot/proc"
        mount --rbind /dev "$chroot/dev"
        if [ -n "$cache" ]; then
            mkdir -p "$chroot/srv/.cache/kubectl-hoop-peers"
            mount --bind "$cache" "$chroot/srv/.cache/kubectl-hoop-peers"
        fi
        exec chroot "$chroot" "$@"' inside "$chroot" "$cache" \
        env -i HOME=/srv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        TERM="${TERM:-dumb}" LANG=C.UTF-8 ${settings[@]+"${settings[@]}"} \
        sh -c 'cd /srv/kubectl-hoop && exec "$@"' sh "$@"
}

results=()
for command in demo check; do
    [ -z "$only" ] || [ "$only" = "$command" ] || continue
    for run in first second; do
        began=$SECONDS
        steps_note "--- ./$command, $run run"
        inside "./$command"
        results+=("./$command, $run run: $((SECONDS - began)) s")
    done
done
printf '%s\n' "${results[@]}"
