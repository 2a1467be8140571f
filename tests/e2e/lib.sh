# shellcheck shell=bash
# lib.sh - what an end-to-end test may use. tests/e2e/run sources it, then the file that holds the test,
# and runs one function test_* per process (bash -eu, pipefail), in a place of its own:
#
#   TEST_DIR      empty folder, removed after a test that passed; HOME and the XDG folders are inside
#   KUBECONFIG    a copy of the throwaway cluster's; contexts as tests/peers/cluster describes them
#   PATH          our build and the pinned kubectl come first, so `kubectl hoop` works
#   PEER_*        the cluster, as tests/peers/cluster describes it
#   E2E           this folder
#   STATE         $XDG_STATE_HOME/kubectl-hoop: store, spool, keys, trust
#
# A test fails when a command of it fails, an assertion does, a sanitizer reports, a process of ours
# outlives it, or a secret (add_secret) is found in STATE. Functions here fail with what was expected,
# what came instead, and where.

# fail TEXT...: ends the test.
fail() {
    local depth=1
    # The line that means something is the caller's, in the test file.
    while [ "${BASH_SOURCE[depth]-}" = "${BASH_SOURCE[0]}" ]; do depth=$((depth + 1)); done
    printf '%s:%s: %s\n' "${BASH_SOURCE[depth]##*/}" "${BASH_LINENO[depth - 1]}" "$*" >&2
    exit 1
}

# skip TEXT...: ends the test as not run.
skip() {
    printf 'skipped: %s\n' "$*" >&2
    exit 77
}

# hoop ARG...: the build under test.
hoop() {
    "$HOOP" "$@"
}

# run CMD...: runs CMD and never fails. Leaves `status`, and stdout and stderr in the variables `out`
# and `err` and, byte for byte, in the files $TEST_DIR/out and $TEST_DIR/err.
run() {
    ran=$*
    status=0
    "$@" >"$TEST_DIR/out" 2>"$TEST_DIR/err" </dev/null || status=$?
    out=$(tr -d '\0' <"$TEST_DIR/out")
    err=$(tr -d '\0' <"$TEST_DIR/err")
}

# assert_status N: the last `run` ended with N.
assert_status() {
    [ "$status" -eq "$1" ] && return
    fail "exit status $status, expected $1, of: $ran
--- stdout
$(head -c 2000 <<<"$out")
--- stderr
$(head -c 2000 <<<"$err")"
}

# assert_equal EXPECTED ACTUAL [WHAT]
assert_equal() {
    [ "$1" = "$2" ] && return
    fail "${3:-values} differ (< expected, > actual)
$(diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") | head -n 40 || :)"
}

# assert_same_file EXPECTED ACTUAL [WHAT]: byte for byte.
assert_same_file() {
    cmp -s "$1" "$2" && return
    fail "${3:-files} differ (< $1, > $2)
$(diff -a "$1" "$2" | head -n 40 || :)"
}

# assert_contains TEXT PART [WHAT]
assert_contains() {
    [[ $1 == *"$2"* ]] && return
    fail "${3:-text} lacks '$2':
$(head -c 4000 <<<"$1")"
}

# assert_lacks TEXT PART [WHAT]
assert_lacks() {
    [[ $1 != *"$2"* ]] && return
    fail "${3:-text} has '$2':
$(head -c 4000 <<<"$1")"
}

# assert_json TEXT FILTER [JQ-ARG...]: jq's FILTER is true of TEXT.
assert_json() {
    local json=$1 filter=$2
    shift 2
    jq -e "$@" "$filter" >/dev/null 2>"$TEST_DIR/jq.err" <<<"$json" && return
    fail "not true: $filter ($*)$(cat "$TEST_DIR/jq.err"):
$(head -c 4000 <<<"$json")"
}

# plain_build: puts in `plain` a build without sanitizers, which forbid to preload, and in `preload` our library
# for it; they are the build under test where no build-clang is beside it.
plain_build() {
    local build
    build=$(cd "$(dirname "$HOOP")/.." && pwd)
    [ ! -x "$build/../build-clang/cmd/kubectl-hoop" ] || build=$(cd "$build/../build-clang" && pwd)
    export plain=$build/cmd/kubectl-hoop preload=$build/tests/preload/libspool_calls.so
}

# wait_until SECONDS CMD...: runs CMD, quietly, until it succeeds.
wait_until() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -le "$until" ] || fail "did not come true in time: $*"
        sleep 0.05
    done
}

# new_namespace: makes a namespace, goes directly to the API server, and puts its name in `namespace`;
# it is the default one of the current context from here on.
new_namespace() {
    namespace=t-$RANDOM$RANDOM
    kubectl create namespace "$namespace" >/dev/null
    kubectl config set-context --current --namespace "$namespace" >/dev/null
}

# add_secret VALUE: VALUE (8 bytes or more) must not be in STATE when the test ends: not as it is, not in
# base64, wherever it stands in a longer text.
add_secret() {
    printf '%s\n' "$1" >>"$TEST_DIR/secrets"
}

# new_secret: puts a fresh value in `secret`, and adds it.
new_secret() {
    secret=canary-$(openssl rand -hex 16)
    add_secret "$secret"
}

# stored_lines: the lines of all recordings in STATE, journal by journal in their order, byte for byte as the
# files have them, and without any code of ours. Of an open or cut file, the whole lines as far as it goes.
stored_lines() {
    find "$STATE" -name '*.jsonl.zst*' | sort | while IFS= read -r file; do
        # What is left of a cut line, or else an empty one, becomes the line that is taken away.
        { zstd -dcq "$file" 2>/dev/null || :; echo; } | sed '$d'
    done
}

# events [FILTER [JQ-ARG...]]: the events among them, through jq's FILTER if there is one.
events() {
    local filter=${1-.}
    [ $# -eq 0 ] || shift
    stored_lines | jq -c "$@" "select(.seq != null and .type != \"index\") | $filter"
}
