# shellcheck shell=bash disable=SC2154,SC2016 # run and lib.sh set variables for us; inner scripts
# exec_plugin.sh - credentials that a program of the user's kubeconfig fetches: run by us as client-go runs it.

v1=client.authentication.k8s.io/v1

# use_plugin [EXEC-FIELD...]: the current context's user gets its credentials from ./login, a script that
# the test writes (write_plugin); fields are those of kubeconfig's exec, in YAML's flow style.
use_plugin() {
    local fields="apiVersion: $v1, command: ./login, interactiveMode: IfAvailable" field
    [ $# -eq 0 ] || fields=
    for field in "$@"; do fields=${fields:+$fields, }$field; done
    cp "$KUBECONFIG" "$TEST_DIR/admin"
    export ADMIN=$TEST_DIR/admin
    kubectl config set-context --current --user plugged >/dev/null
    # kubectl config would resolve ./login by itself.
    sed -i "s|^users:|users:\n- name: plugged\n  user: {exec: {$fields}}|" "$KUBECONFIG"
}

# write_plugin: the script is standard input; each of its runs leaves a line in $TEST_DIR/runs.
write_plugin() {
    local login
    login=$(dirname "$KUBECONFIG")/login
    { printf '#!/bin/bash\nset -eu\ncd "%s"\necho run >>runs\n' "$TEST_DIR" && cat; } >"$login"
    chmod +x "$login"
}

runs() {
    wc -l <"$TEST_DIR/runs"
}

# The answer with a token of a service account; what it holds must not be in any recording.
token_plugin() {
    write_plugin <<'PLUGIN'
token=$(KUBECONFIG=$ADMIN kubectl create token "${ACCOUNT-agent}" --duration 10m)
echo "$token" >>secrets
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s"%s}}' \
    "$token" "${EXPIRES:+,\"expirationTimestamp\":\"$(date -u -d "$EXPIRES" +%FT%TZ)\"}"
PLUGIN
}

test_exec_plugin_gives_a_token_once_for_many() {
    new_namespace
    kubectl create serviceaccount agent >/dev/null
    token_plugin
    use_plugin
    direct=$(kubectl auth whoami -o 'jsonpath={.status.userInfo.username}')
    assert_equal "system:serviceaccount:$namespace:agent" "$direct"
    rm runs
    run hoop exec -q -- sh -c '
        for i in 1 2 3 4 5; do kubectl auth whoami -o "jsonpath={.status.userInfo.username} " & done; wait'
    assert_status 0
    assert_equal "$direct $direct $direct $direct $direct " "$out"
    assert_equal 1 "$(runs)" runs
}

test_exec_plugin_is_told_of_its_cluster() {
    new_namespace
    kubectl create serviceaccount agent >/dev/null
    write_plugin <<'PLUGIN'
jq -S . <<<"$KUBERNETES_EXEC_INFO" >>info
printf '%s|%s|%s|%s|%s\n' "$1" "${PATH%%:*}" "$KUBECONFIG" "$MINE" "${KHOOP_SESSION_DIR-none}" >>told
printf '%s ' /proc/self/fd/* | sed 's|/proc/self/fd/||g' >>told
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"%s"}}' \
    "$(KUBECONFIG=$ADMIN kubectl create token agent | tee -a secrets)"
PLUGIN
    use_plugin 'apiVersion: client.authentication.k8s.io/v1beta1' 'command: ./login' 'args: [get-token]' \
        'env: [{name: MINE, value: yes-mine}]' 'provideClusterInfo: true'
    sed -i "s|^- cluster:|- cluster:\n    extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: here, count: 1}}]|" \
        "$KUBECONFIG"
    kubectl auth whoami >/dev/null
    mv info info.direct
    mv told told.direct
    run hoop exec -q -- kubectl auth whoami
    assert_status 0
    assert_same_file info.direct info "KUBERNETES_EXEC_INFO"
    assert_same_file told.direct told "arguments and environment"
    assert_json "$(cat info)" '.spec.cluster.config == {audience: "here", count: 1} and (.spec.interactive | not)'
}

test_exec_plugin_token_that_expired_is_fetched_again() {
    new_namespace
    kubectl create serviceaccount agent >/dev/null
    token_plugin
    use_plugin
    EXPIRES='3 seconds' run hoop exec -q -- sh -c 'kubectl auth whoami && kubectl auth whoami && sleep 3 && kubectl auth whoami'
    assert_status 0
    assert_equal 2 "$(runs)" runs
}

test_exec_plugin_client_certificate_is_the_identity() {
    write_plugin <<'PLUGIN'
name=user-$(wc -l <runs)
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=system:masters/CN=$name" \
    -keyout key.pem -out csr.pem 2>/dev/null
openssl x509 -req -days 1 -in csr.pem -CA "$PEER_DIR/ca.crt" -CAkey "$PEER_DIR/ca.key" -set_serial 7 \
    -out cert.pem 2>/dev/null
sed -n 2p key.pem >>secrets
jq -n --rawfile c cert.pem --rawfile k key.pem --arg e "$(date -u -d '3 seconds' +%FT%TZ)" \
    '{kind: "ExecCredential", apiVersion: "client.authentication.k8s.io/v1",
      status: {clientCertificateData: $c, clientKeyData: $k, expirationTimestamp: $e}}'
PLUGIN
    use_plugin
    # The watch was begun as the first, and goes on; new connections are made as the second.
    run hoop exec -q -- sh -c '
        kubectl auth whoami -o "jsonpath={.status.userInfo.username} "
        kubectl get namespaces --watch-only -o name >watched 2>watch.err & watch=$!
        sleep 3.5
        kubectl auth whoami -o "jsonpath={.status.userInfo.username} "
        kubectl create namespace "seen-$$" >/dev/null
        for i in 1 2 3 4 5 6 7 8 9; do grep -q "seen-$$" watched && break; sleep 0.3; done
        kill $watch
        kubectl delete namespace "seen-$$" --wait=false >/dev/null
        grep -c "seen-$$" watched'
    assert_status 0
    assert_contains "$out" "user-1 user-"
    assert_lacks "$out" "user-1 user-1"
}

# As with client-go: the 401 is the caller's, the next call shows a new one.
test_exec_plugin_runs_again_after_a_401() {
    new_namespace
    kubectl create serviceaccount agent >/dev/null
    write_plugin <<'PLUGIN'
token=not-a-token-at-all
[ "$(wc -l <runs)" -lt 2 ] || token=$(KUBECONFIG=$ADMIN kubectl create token agent | tee -a secrets)
printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"%s"}}' "$token"
PLUGIN
    use_plugin
    run hoop exec -q -- sh -c 'kubectl get --raw /api; kubectl auth whoami -o "jsonpath={.status.userInfo.username}"'
    assert_status 0
    assert_contains "$err" 'You must be logged in to the server'
    assert_equal "system:serviceaccount:$namespace:agent" "$out"
    assert_equal 2 "$(runs)" runs
    assert_contains "$(events 'select(.type == "response") | .responseStatus.code')" 401
}

test_exec_plugin_failure_is_one_clear_sentence() {
    write_plugin <<'PLUGIN'
echo "Error: the SSO session has expired, run 'sso login'" >&2
exit 4
PLUGIN
    use_plugin
    run hoop exec -q -- kubectl get namespaces
    assert_status 1
    assert_contains "$err" "no credential for cluster"
    assert_contains "$err" "it ended with exit code 4: Error: the SSO session has expired, run 'sso login'"
    assert_equal 1 "$(runs)" runs
}

test_exec_plugin_that_is_not_there_shows_its_hint() {
    use_plugin "apiVersion: $v1" 'command: no-such-login' 'interactiveMode: Never' 'installHint: get it from the intranet'
    run hoop exec -q -- kubectl get namespaces
    assert_status 1
    assert_contains "$err" 'no-such-login: not found on PATH (fix: get it from the intranet)'
    sed -i 's/interactiveMode: Never/interactiveMode: Always/' "$KUBECONFIG"
    run hoop exec -q -- kubectl get namespaces
    assert_status 1
    assert_contains "$err" 'insists on a terminal (interactiveMode Always)'
}

# The shims are on CMD's PATH, never on the plugin's; and one that starts a session is refused.
test_exec_plugin_cannot_lead_back_to_us() {
    write_plugin <<'PLUGIN'
"$(dirname "$HOOP")/kubectl-hoop" exec -- kubectl get namespaces >&2
PLUGIN
    use_plugin
    run hoop exec -q -- kubectl get --raw /api
    assert_status 1
    assert_contains "$err" 'it records this too'
    assert_equal 1 "$(runs)" runs
    sed -i 's/command: .\/login/command: kubectl, args: [hoop, credential]/' "$KUBECONFIG"
    run hoop exec -q -- kubectl get --raw /api
    assert_status 1
    assert_contains "$err" 'exec plugin kubectl of the user'
    assert_contains "$err" 'credential: no'
}

test_exec_plugin_that_hangs_ends_with_the_session() {
    write_plugin <<'PLUGIN'
sleep 300 &
echo $! >sleeper
wait
PLUGIN
    use_plugin
    run timeout -k 1 60 "$HOOP" exec -q -- sh -c 'kubectl get --raw /api & pid=$!
        for i in 1 2 3 4 5 6 7 8 9; do [ ! -s sleeper ] || break; sleep 0.3; done; kill $pid'
    assert_status 0
    [ -s sleeper ] || fail "the plugin was not run"
    # That nothing of it is left, the harness looks.
}

test_exec_plugin_that_hangs_does_not_hold_up_the_end() {
    write_plugin <<'PLUGIN'
echo $$ >sleeper
exec sleep 300
PLUGIN
    use_plugin
    local began=$SECONDS
    run timeout -k 1 60 "$HOOP" exec -q -- sh -c 'kubectl get --raw /api >answer 2>&1 &
        for i in 1 2 3 4 5 6 7 8 9; do [ ! -s sleeper ] || break; sleep 0.3; done'
    assert_status 0
    [ $((SECONDS - began)) -lt 20 ] || fail "the end took $((SECONDS - began)) s"
    wait_until 10 test -s answer
    run hoop verify @last
    assert_contains "$out" INTACT
    assert_equal gateway_end "$(events 'select(.type == "complete") | .outcome' -r)"
}
