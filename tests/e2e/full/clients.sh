# shellcheck shell=bash disable=SC2154 # variables of lib.sh
# clients.sh - clients that are no kubectl: what each prints is the same direct and through, by the exec plugin and by
# the bearer of `exec --auth token`, and none of it is under a command that it was not of.

# same_lines NAME CMD...: CMD, given a fresh namespace each time, with the pod `web` where there are nodes.
same_lines() {
    local name=$1 auth places=()
    shift
    for auth in direct plugin token; do
        new_namespace
        if [ "$PEER_FULL" = yes ]; then
            kubectl run web --image=x >/dev/null
            kubectl wait pod/web --for=condition=Ready --timeout=60s >/dev/null
            places=(web)
        else
            places=('')
        fi
        if [ "$auth" = direct ]; then
            timeout 120 "$@" "$namespace" "${places[@]}" >"$TEST_DIR/direct" 2>"$TEST_DIR/direct.err" </dev/null ||
                fail "$name, without the gateway: $(tail -n 5 "$TEST_DIR/direct.err")"
            continue
        fi
        run timeout 120 "$HOOP" exec --auth "$auth" -q -- "$@" "$namespace" "${places[@]}"
        assert_status 0
        assert_same_file "$TEST_DIR/direct" "$TEST_DIR/out" "what $name prints, direct and by $auth,"
    done
    [ -s "$TEST_DIR/direct" ] || fail "$name printed nothing"
    assert_equal 0 "$(events 'select(.type == "request" and .command != null) | 1' | wc -l)" "requests under a command"
    [ "$(events 'select(.type == "request") | 1' | wc -l)" -ge 10 ] || fail "$name is not recorded"
}

test_official_python_client_cannot_tell() {
    same_lines "the Python client" "$("$E2E/../peers/build" clients)" python "$E2E/full/clients/official.py"
}

test_kr8s_cannot_tell() {
    same_lines kr8s "$("$E2E/../peers/build" clients)" python "$E2E/full/clients/small.py"
}

test_official_javascript_client_cannot_tell() {
    same_lines "the JavaScript client" "$("$E2E/../peers/build" clients)" node "$E2E/full/clients/official.mjs"
}

test_informers_and_leader_election_cannot_tell() {
    same_lines client-go "$("$E2E/../peers/build" informers)"
}
