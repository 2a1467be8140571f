# shellcheck shell=bash disable=SC2154 # variables of lib.sh
# bytes.sh - what a client gets through the gateway is, byte for byte, what it gets without: tests/e2e/bytes asks both
# ways, over HTTP/1.1 and HTTP/2, and compares. On a cluster that nobody else uses, so that two answers are the same,
# whose server also speaks CBOR.

# new_world: a cluster with something to read, and an API behind the API; `leave_world` ends both.
new_world() {
    local peers=$E2E/../peers
    # Where the binaries are, under a HOME that is not the test's.
    KHOOP_PEERS_CACHE=$(dirname "$(dirname "$(dirname "$PEER_KUBECTL")")")
    export KHOOP_PEERS_CACHE
    export TMPDIR=/tmp # a socket's path is short
    world=bytes-$$
    trap leave_world EXIT
    "$peers/cluster" start "$world" -- --feature-gates=CBORServingAndStorage=true --request-timeout=60s >/dev/null
    eval "$("$peers/cluster" env "$world")"
    cp "$PEER_DIR/kubeconfig" "$TEST_DIR/kubeconfig"
    export KUBECONFIG=$TEST_DIR/kubeconfig DIRECT=$TEST_DIR/kubeconfig HOOP
    cp "$PEER_DIR/viewer.token" "$TEST_DIR/secrets"
    python3 -B "$E2E/bytes/aggregated.py" "$PEER_DIR/server.crt" "$PEER_DIR/server.key" "$TEST_DIR/port" >aggregated.log 2>&1 &
    behind=$!
    wait_until 10 test -s "$TEST_DIR/port"
    sed "s/PORT/$(cat "$TEST_DIR/port")/" "$E2E/bytes/world.yaml" | kubectl create -f - >/dev/null
    for namespace in read bytes-{one,two,thr}-{1,2}; do
        kubectl create namespace "$namespace" >/dev/null
    done
    kubectl wait --for=condition=Established crd/things.example.com >/dev/null
    wait_until 20 kubectl create -n read -f "$E2E/bytes/objects.yaml" --dry-run=server
    kubectl create -n read -f "$E2E/bytes/objects.yaml" >/dev/null
    wait_until 20 kubectl get --raw /apis/agg.example.com/v1
}

leave_world() {
    [ -z "${behind-}" ] || kill "$behind"
    "$E2E/../peers/cluster" stop "$world"
}

# compare_parts PART...: nothing differs in them.
compare_parts() {
    run hoop exec -- python3 -B "$E2E/bytes/main.py" "$TEST_DIR/asked" "$@"
    printf '%s\n' "$out"
    assert_status 0
    run hoop verify --all
    assert_status 0
}

test_reads_are_byte_for_byte_the_same() { # long
    new_world
    compare_parts discovery everything
}

# Messages and statuses that an API server has in its own ways, and that a server behind it has in any.
test_writes_watches_and_refusals_are_byte_for_byte_the_same() { # long
    new_world
    compare_parts details behind writes watches
}
