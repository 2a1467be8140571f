# shellcheck shell=bash disable=SC2154 # run and plain_build set variables
# kill.sh - P1 by the hardest proof: the session process is killed at random moments under load; every request
# that the API server has seen must be in the recovered recording.

KILLS=${KHOOP_TEST_KILLS:-50}

# A client that needs no kubectl: many requests at once, on many connections, through the gateway of the
# session that it runs in. Its user agent says which run it was.
write_load() {
    cat >"$TEST_DIR/load" <<'END'
set -u
info='{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}'
user=$(jq -r '."current-context" as $c | (.contexts[] | select(.name == $c) | .context.user) as $u
    | .users[] | select(.name == $u) | .user.exec.env[] | select(.name == "KHOOP_USER") | .value' "$KUBECONFIG")
token=$(KUBERNETES_EXEC_INFO=$info KHOOP_USER=$user kubectl-hoop credential | jq -r .status.token)
server=$(jq -r '.clusters[0].cluster.server' "$KUBECONFIG")
name=$1
{
    for i in $(seq 400); do
        [ "$i" -eq 1 ] || echo next
        if [ $((i % 2)) -eq 0 ]; then
            echo "url = \"$server/api/v1/namespaces/default/configmaps\""
            echo 'header = "Content-Type: application/json"'
            echo "data = \"{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":\\\"ConfigMap\\\",\\\"metadata\\\":{\\\"name\\\":\\\"$name-$i\\\"}}\""
        else
            echo "url = \"$server/api/v1/namespaces/default/configmaps/$name-$((i - 3))\""
        fi
        echo "header = \"Authorization: Bearer $token\""
        echo "user-agent = \"$name\""
        echo "cacert = \"${KUBECONFIG%/*}/ca.crt\""
        echo 'output = "/dev/null"'
        echo 'max-time = 20'
    done
} >"$TEST_DIR/curl.conf"
touch "$TEST_DIR/loading"
exec curl -s --http1.1 --parallel --parallel-max 24 --parallel-immediate -K "$TEST_DIR/curl.conf"
END
}

# The session process that our exec has started.
session_process() {
    pgrep -P "$1" -f '^kubectl-hoop session-process$'
}

# audit_ids NAME: of the requests of that run which the API server has received.
audit_ids() {
    { grep -F "\"userAgent\":\"$1\"" "$PEER_AUDIT_LOG" || :; } | jq -r .auditID | sort -u
}

# recorded_ids NAME FOLDER: of the requests of that run in the recordings: the first 16 bytes of the line's SHA-256,
# as a UUID of version 8.
recorded_ids() {
    mkdir "$2"
    { stored_lines | grep -a -F '"type":"request"' | grep -a -F "\"userAgent\":\"$1\"" || :; } |
        (cd "$2" && split -l 1 -a 5 - r)
    (cd "$2" && find . -name 'r*' -print0 | xargs -0 -r sha256sum) | cut -c 1-32 |
        awk '{ print substr($0, 1, 8) "-" substr($0, 9, 4) "-8" substr($0, 14, 3) "-" \
            substr("89ab89ab89ab89ab", index("0123456789abcdef", substr($0, 17, 1)), 1) \
            substr($0, 18, 3) "-" substr($0, 21, 12) }' | sort -u
    rm -r "$2"
}

# count_requests FILE BYTES: request lines that a reader finds in the first BYTES of an open segment.
count_requests() {
    head -c "$2" "$1" | { zstd -dcq 2>/dev/null || :; } | grep -a -c '"type":"request"' || :
}

# unsynced_requests: in all open segments, by what was synced when the process died.
unsynced_requests() {
    local file inode written synced all=0
    for file in "$STATE"/spool/*.part; do
        [ -e "$file" ] || continue
        while read -r inode written synced; do
            [ "$inode" = "$(stat -c %i "$file")" ] || continue
            all=$((all + $(count_requests "$file" "$written") - $(count_requests "$file" "$synced")))
        done < <(od -An -v -t u8 -w24 "$TEST_DIR/spool.log")
    done
    echo "$all"
}

kill_once() {
    local name=kill-$RANDOM-$1 exec_pid pid in_flight between
    rm -rf "$TEST_DIR/loading" "$TEST_DIR/spool.log" "$STATE/store" "$STATE/spool"
    LD_PRELOAD=$preload KHOOP_TEST_SPOOL_LOG=$TEST_DIR/spool.log KHOOP_TEST_SYNC_DELAY_US=3000 \
        "$plain" exec -- sh "$TEST_DIR/load" "$name" >"$TEST_DIR/exec.out" 2>"$TEST_DIR/exec.err" &
    exec_pid=$!
    wait_until 20 test -e "$TEST_DIR/loading"
    sleep "0.$(printf '%03d' $((RANDOM % 400)))"
    pid=$(session_process "$exec_pid")
    kill -STOP "$exec_pid"
    kill -KILL "$pid"
    # Before exec recovers it: how far it was.
    between=$(unsynced_requests)
    in_flight=$(stored_lines | jq -cR 'fromjson?' | jq -rs '[.[] | select(.type == "request")] as $r | [.[] | select(.type == "complete")]
        as $c | ($r | length) - ($c | length)')
    kill -CONT "$exec_pid"
    wait "$exec_pid" || :
    assert_contains "$(cat "$TEST_DIR/exec.err")" 'its recorder died: RECOVERED what it had written'
    sleep 0.2
    audit_ids "$name" >"$TEST_DIR/seen"
    recorded_ids "$name" "$TEST_DIR/lines" >"$TEST_DIR/recorded"
    comm -23 "$TEST_DIR/seen" "$TEST_DIR/recorded" >"$TEST_DIR/missing"
    echo "kill $1: $in_flight in flight, $between between written and durable, $(wc -l <"$TEST_DIR/seen") seen by the" \
        "API server, $(wc -l <"$TEST_DIR/recorded") recorded, $(wc -l <"$TEST_DIR/missing") missing"
    [ ! -s "$TEST_DIR/missing" ] || fail "requests that are not in the recording: $(head -n 3 "$TEST_DIR/missing")"
    run "$plain" verify --all
    assert_status 8
    assert_contains "$out" RECOVERED
    [ "$between" -eq 0 ] || with_unsynced=$((with_unsynced + 1))
    seen=$((seen + $(wc -l <"$TEST_DIR/seen")))
}

test_kill_loses_no_request_that_was_forwarded() { # long
    plain_build
    PATH=$(dirname "$plain"):$PATH
    with_unsynced=0 seen=0
    write_load
    for i in $(seq "$KILLS"); do
        kill_once "$i"
    done
    echo "$seen requests seen by the API server; in $with_unsynced of $KILLS kills some were written and not durable"
    [ "$seen" -gt "$KILLS" ] || fail "the load was too small to prove anything"
    [ "$with_unsynced" -ge $((KILLS / 2)) ] || fail "too few kills in the window that matters"
}
