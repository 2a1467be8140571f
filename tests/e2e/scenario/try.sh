# shellcheck shell=bash
# try.sh - what a scenario is made of (tests/e2e/same.sh says what it leaves). $1 is the folder for it, $2 the
# namespace. `files` is a folder for input files, `tool` what `try` runs.
set -u
# shellcheck source=tests/e2e/audit.sh
. "$E2E/audit.sh"

out=$1
namespace=$2
count=0
tool=kubectl
files=$out/files
mkdir -p "$files"
# Discovery begins anew in each run, so that each makes the same requests.
export KUBECACHEDIR=$out/cache
# Of the private kubeconfig in the recorded run, whatever the path of its kubectl.
"$PEER_KUBECTL" config view --minify -o jsonpath='{.clusters[0].cluster.server}' >"$out/server"

note_argv() {
    printf '%s\n' "$@" | jq -Rnc '[inputs]' >>"$out/argv"
}

# begin ARG...: the next command; `at` is the path of what it leaves, without the ending.
begin() {
    count=$((count + 1))
    at=$out/$(printf %03d "$count")
    note_argv "$tool" "$@"
    audit_at=$(audit_mark)
    # How often it asks again is a matter of chance.
    case " $* " in
    *' --wait '* | *' --atomic '* | *' wait '* | *' test '* | *' delete '* | *' uninstall '* | *' drain '* | *' --force '* | *' status '*)
        touch "$at.chance"
        ;;
    esac
}

# end: notes what the API server has had of our user since begin.
end() {
    audit_since "$audit_at" "$SCENARIO_USER" |
        jq -r 'select(.stage == "RequestReceived") | .verb + " " + .requestURI' |
        sed "s/$namespace/NAMESPACE/g" | sort >"$at.requests"
}

# try ARG...: one command of `tool`; its standard input is empty.
try() {
    try_in /dev/null "$@"
}

# try_in FILE ARG...: the same with a standard input.
try_in() {
    local at audit_at input=$1
    shift
    begin "$@"
    "$tool" "$@" >"$at.out" 2>"$at.err" <"$input"
    echo $? >"$at.status"
    end
}

# try_last ARG...: the same for a command whose output tells of its waiting: the last line counts.
try_last() {
    local at audit_at
    begin "$@"
    "$tool" "$@" 2>"$at.err" </dev/null | tail -n 1 >"$at.out"
    echo "${PIPESTATUS[0]}" >"$at.status"
    end
}

# try_sorted ARG...: the same for a command that prints its lines in any order.
try_sorted() {
    local printed
    try "$@"
    printed=$out/$(printf %03d "$count").out
    sort -o "$printed" "$printed"
}

# try_until WORD CMD... -- ARG...: for a command that never ends by itself: it runs in the background until its
# output has `first`, CMD is run, and when the output has WORD the command is told to end.
try_until() {
    local at audit_at pid word=$1 meanwhile=()
    shift
    while [ "$1" != -- ]; do
        meanwhile+=("$1")
        shift
    done
    shift
    begin "$@"
    touch "$at.chance"
    "$tool" "$@" >"$at.out" 2>"$at.err" </dev/null &
    pid=$!
    await grep -q first "$at.out" # the object must appear in a watch that has begun
    "${meanwhile[@]}"
    await grep -q "$word" "$at.out"
    kill -TERM "$pid"
    wait "$pid"
    echo $? >"$at.status"
    end
}

# await CMD...: until it succeeds, for some seconds.
await() {
    local tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -le 400 ] || break
        sleep 0.05
    done
}
