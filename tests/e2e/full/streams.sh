# shellcheck shell=bash disable=SC2154,SC2016 # variables of lib.sh; scripts for the pod and the session
# streams.sh - connections that are upgraded: exec, attach, cp, port-forward, over WebSocket and SPDY. Needs a
# cluster with nodes (tests/peers/cluster start NAME --full).

PROTOCOLS=(websocket spdy)

# use_protocol NAME: what kubectl speaks first.
use_protocol() {
    local websockets=true
    [ "$1" = websocket ] || websockets=false
    export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=$websockets KUBECTL_PORT_FORWARD_WEBSOCKETS=$websockets
}

# new_pod: a namespace with the pod `web`, whose processes run in the folder `pod_dir`.
new_pod() {
    [ "$PEER_FULL" = yes ] || skip "the cluster has no nodes"
    new_namespace
    kubectl run web --image=x >/dev/null
    kubectl wait pod/web --for=condition=Ready --timeout=60s >/dev/null
    pod_dir=$PEER_DIR/pods/${namespace}_web
    kubectl exec web -- true
}

# stream_bytes DIRECTION: the bytes of the recorded streams in that direction, one stream after the other.
stream_bytes() {
    events 'select(.type == "stream.data" and .direction == $direction) | .text // .latin1 | utf8bytelength' \
        --arg direction "$1" | jq -s add
}

# What crosses here is small: an API server that closes while a slow reader has not taken all of a large answer
# resets the connection at the next ping (https://github.com/kubernetes/kubectl/issues/1361), gateway or not.

# same_both_ways SCRIPT: stdout and exit status of `bash -c SCRIPT` are the same direct and recorded.
same_both_ways() {
    local direct=0
    bash -c "$1" >"$TEST_DIR/direct" 2>"$TEST_DIR/direct.err" </dev/null || direct=$?
    run hoop exec -- bash -c "$1"
    assert_status "$direct"
    assert_same_file "$TEST_DIR/direct" "$TEST_DIR/out" "stdout, direct and recorded, of: $1"
}

test_exec_is_the_same_as_without() {
    local protocol
    new_pod
    for protocol in "${PROTOCOLS[@]}"; do
        use_protocol "$protocol"
        same_both_ways 'kubectl exec web -- sh -c "echo out; echo err >&2"'
        same_both_ways 'kubectl exec web -- sh -c "exit 1"'
        same_both_ways 'kubectl exec web -- sh -c "exit 255"'
        same_both_ways 'kubectl exec web -- sh -c "kill -9 \$\$"'
        same_both_ways 'kubectl exec web -- no-such-program'
        same_both_ways 'echo through stdin | kubectl exec -i web -- cat'
        same_both_ways 'kubectl exec nobody -- true'
        same_both_ways 'echo to attach | kubectl attach -qi web'
        same_both_ways 'kubectl exec web -- head -c 2000000 /dev/zero | md5sum'
    done
}

test_exec_is_recorded_both_ways() {
    local protocol answers
    new_pod
    for protocol in "${PROTOCOLS[@]}"; do
        use_protocol "$protocol"
        run hoop exec --title "$protocol" -- kubectl exec -i web -- sh -c 'read line; echo "<$line>"; exit 3'
        assert_status 3
    done
    answers=$(events 'select(.type == "stream.open") | "\(.protocol) \(.subprotocol) \(.argv[0]) \(.tty)"')
    assert_contains "$answers" '"websocket v5.channel.k8s.io sh false"'
    assert_contains "$answers" '"SPDY/3.1 v4.channel.k8s.io sh false"'
    assert_equal 2 "$(events 'select(.type == "stream.close" and .outcome == "ok") | 1' | wc -l)"
    assert_equal 2 "$(events 'select(.type == "stream.data" and (.text // .latin1 | index("<>"))) | 1' | wc -l)"
    run hoop verify --all
    assert_status 0
    run hoop replay @last
    assert_contains "$out" 'stream: runs sh -c'
    assert_lacks "$out" 'are not shown here'
}

test_exec_in_a_terminal_passes_keys_and_sizes() {
    new_pod
    printf '%s\n' 'stty size' 'tty >/dev/null && echo "a terminal"' 'exit 5' >"$TEST_DIR/typed"
    run hoop exec -q -- bash -c 'stty cols 101 rows 37 2>/dev/null; { sleep 1; cat "$1"; sleep 1; } |
        script -qec "stty cols 101 rows 37; kubectl exec -it web -- sh" /dev/null' - "$TEST_DIR/typed"
    assert_contains "$out" "37 101"
    assert_contains "$out" "a terminal"
    assert_equal 1 "$(events 'select(.type == "stream.open" and .tty) | 1' | wc -l)"
}

test_copies_are_the_same_bytes() {
    local protocol
    new_pod
    head -c 2000000 /dev/urandom >"$TEST_DIR/big"
    mkdir "$TEST_DIR/many"
    head -c 100000 /dev/urandom | split -b 100 -a 4 - "$TEST_DIR/many/"
    for protocol in "${PROTOCOLS[@]}"; do
        use_protocol "$protocol"
        run hoop exec -- bash -euc '
            kubectl cp "$1/big" "web:$2-big"
            kubectl cp "web:$2-big" "$1/$2-big"
            kubectl cp "$1/many" "web:$2-many"
            kubectl cp "web:$2-many" "$1/$2-many"' - "$TEST_DIR" "$protocol"
        assert_status 0
        assert_same_file "$TEST_DIR/big" "$pod_dir/$protocol-big" "upload"
        assert_same_file "$TEST_DIR/big" "$TEST_DIR/$protocol-big" "download"
        diff -r "$TEST_DIR/many" "$TEST_DIR/$protocol-many" >/dev/null || fail "1000 files differ"
    done
    # What was recorded is at least what crossed, both ways and twice.
    [ "$(stream_bytes client)" -gt 4000000 ] || fail "uploads are not recorded: $(stream_bytes client)"
    [ "$(stream_bytes upstream)" -gt 4000000 ] || fail "downloads are not recorded: $(stream_bytes upstream)"
}

# In the session: 30 connections at a time through one port-forward, each answered with what it sent.
FORWARD='
    kubectl port-forward --address 127.0.0.1 pod/web "0:$1" >"$2/forward" &
    forward=$!
    until grep -q Forwarding "$2/forward"; do sleep 0.05; done
    port=$(sed -n "s/.*127.0.0.1:\([0-9]*\) .*/\1/p" "$2/forward")
    jobs=()
    for i in $(seq 30); do
        { exec 5<>"/dev/tcp/127.0.0.1/$port"; echo "line $i" >&5; head -n 1 <&5; } &
        jobs+=("$!")
    done
    wait "${jobs[@]}"
    kill "$forward"
    wait "$forward" || :'

test_forwarded_ports_carry_many_connections() {
    local protocol server port
    new_pod
    socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork EXEC:cat 2>"$TEST_DIR/echo" &
    server=$!
    wait_until 10 grep -q 'listening on' "$TEST_DIR/echo"
    port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$TEST_DIR/echo")
    for protocol in "${PROTOCOLS[@]}"; do
        use_protocol "$protocol"
        run timeout 60 "$HOOP" exec -- bash -c "$FORWARD" - "$port" "$TEST_DIR"
        assert_status 0
        assert_equal "$(seq -f 'line %g' 30 | sort)" "$(sort <<<"$out")"
    done
    kill "$server"
}

# Nobody who has gone keeps a process in the cluster.
test_client_that_is_killed_ends_the_call() {
    new_pod
    run hoop exec -- bash -c '
        kubectl exec web -- sh -c "echo \$\$ >pid; exec sleep 1000" & client=$!
        until [ -s "$1/pid" ]; do sleep 0.05; done
        kill -9 "$(pgrep -P "$client" kubectl || echo "$client")"
        for i in $(seq 200); do
            find "$2/spool" -name "*.part" -exec zstd -dcq {} + 2>/dev/null | grep -q "\"stream.close\"" && break
            sleep 0.05
        done' - "$pod_dir" "$STATE"
    assert_equal 1 "$(events 'select(.type == "stream.close" and .outcome != "gateway_end") | 1' | wc -l)"
    kill "$(cat "$pod_dir/pid")" 2>/dev/null || :
}
