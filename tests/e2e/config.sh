# shellcheck shell=bash disable=SC2154 # run sets status, out, err
# config.sh - what the configuration file says is what a session does.

# configure LINE...: the user's configuration file
configure() {
    mkdir -p "$XDG_CONFIG_HOME/kubectl-hoop"
    printf '%s\n' "$@" >"$XDG_CONFIG_HOME/kubectl-hoop/config.yaml"
}

test_configured_kubectl_store_and_ship_every_hold() {
    local real
    real=$(command -v kubectl)
    printf '#!/bin/sh\necho configured >&2\nexec %s "$@"\n' "$real" >"$TEST_DIR/my-kubectl"
    chmod +x "$TEST_DIR/my-kubectl"
    configure "store: $TEST_DIR/elsewhere" 'durability: strict' 'ship-every: 1s' "kubectl: $TEST_DIR/my-kubectl"
    # Two segments while it runs: the default, half an hour, would make none.
    # shellcheck disable=SC2016
    run timeout 60 "$HOOP" exec -q -- sh -c '
        until [ "$(find "$1" -name "*.jsonl.zst" 2>/dev/null | wc -l)" -ge 2 ]; do
            kubectl get --raw /version
            sleep 0.3
        done' - "$TEST_DIR/elsewhere"
    assert_status 0
    assert_equal configured "$(sort -u <<<"$err")" "standard error"
    [ ! -e "$STATE/store" ] || fail "something is in the default store"
    run hoop verify @last
    assert_status 0
    assert_contains "$(hoop replay @last -o jsonl)" "\"executable\":\"$TEST_DIR/my-kubectl\"" "the recording"
}

test_wrong_configuration_starts_nothing() {
    configure 'duarbility: strict'
    run hoop exec -- touch "$TEST_DIR/ran"
    assert_status 78
    assert_contains "$err" "config.yaml:1:1: unknown key 'duarbility' (fix: did you mean 'durability'?)"
    configure "kubectl: $TEST_DIR/none"
    run hoop exec -- touch "$TEST_DIR/ran"
    assert_status 78
    assert_contains "$err" "configuration: kubectl: $TEST_DIR/none: No such file"
    configure "kubectl: $HOOP"
    run hoop exec -- touch "$TEST_DIR/ran"
    assert_status 78
    assert_contains "$err" 'is kubectl-hoop itself'
    [ ! -e "$TEST_DIR/ran" ] || fail "the command ran"
    [ -z "$(ls "$XDG_RUNTIME_DIR/kubectl-hoop")" ] || fail "a session directory is left"
}

test_init_then_exec_then_verify_by_the_key_it_named() {
    local key
    run hoop init --store "$TEST_DIR/evidence"
    assert_status 0
    key=$(sed -n 's/^made  \(.*\.pem\)  (public key.*/\1/p' "$TEST_DIR/out")
    run hoop exec -- kubectl get --raw /version
    assert_status 0
    [[ $err != *"made this machine's signing key"* ]] || fail "made another key"
    run hoop verify @last --key "$key"
    assert_status 0
    assert_contains "$out" INTACT
}
