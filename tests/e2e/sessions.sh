# shellcheck shell=bash disable=SC2154,SC2016 # run sets variables for us; inner scripts
# sessions.sh - finding a session again, and seeing at once what it did.

# record ARG... -- CMD...: one session, quietly; its id goes into `id`.
record() {
    hoop exec -q "$@" >/dev/null 2>&1 || :
    id=$(hoop sessions list -o name --limit 1 -q)
    id=${id#session/}
}

test_sessions_list_finds_sessions_by_what_is_asked() {
    run hoop sessions
    assert_status 0
    assert_equal '' "$out"
    assert_contains "$err" 'no sessions yet'
    new_namespace
    record --title first --label team=shop -- kubectl get ns
    first=$id
    record --title '日本 second' --label team=blue -- sh -c 'kubectl create configmap a; kubectl delete configmap a'
    second=$id
    record --title third -- sh -c 'for i in 1 2 3 4 5; do kubectl get configmap missing; done'
    third=$id

    names() { hoop sessions list -q -o name "$@" | sed 's,session/,,' | tr '\n' ' '; }
    assert_equal "$third $second $first " "$(names)" "newest first"
    assert_equal "$first " "$(names -l team=shop)" "by label"
    assert_equal "$second " "$(names --verb delete)" "by verb"
    assert_equal "$second " "$(names --resource cm --verb create -n "$namespace")" "by verb, resource, namespace"
    assert_equal "$third " "$(names --code 404 --command missing --verb get --resource cm --sort-by requests --limit 1)"
    assert_equal "$first " "$(names --command 'get ns')" "by command"
    assert_equal "$third " "$(names --sort-by commands --limit 1)" "by commands"
    assert_equal "$third $second $first " "$(names --since 1h --state stored --user "$(id -un)")"
    assert_equal '' "$(names --until yesterday)"
    assert_equal '' "$(names --cluster nowhere)"
    run hoop sessions list --until yesterday
    assert_status 0
    assert_equal '' "$out"
    assert_equal 'kubectl-hoop: none of 3 sessions is like that' "$err"
    run hoop sessions list --no-headers
    assert_equal 3 "$(wc -l <"$TEST_DIR/out")" rows
    assert_equal 3 "$(hoop sessions list -o jsonl | jq -s 'map(.id) | unique | length')" "lines of JSON"
    assert_json "$(hoop sessions list -o json --sort-by size)" '[.items[].bytes] | . == (sort | reverse) and .[2] > 0'
    assert_contains "$(hoop sessions list -o wide)" 'team=shop'
    run hoop sessions list -l team
    assert_status 2

    # a bad file hides nothing, whatever is asked
    find "$STATE/store" -name "$second-*" -exec sh -c 'chmod u+w "$1"; printf x >"$1"' _ {} \;
    assert_equal "$third $second $first " "$(names)" "with a damaged one"
    assert_equal "$third " "$(names --code 404 --resource cm --sort-by requests --limit 1)"
    assert_equal damaged "$(hoop sessions list -o json | jq -r '.items[1].state')"
}

test_sessions_show_says_what_a_session_did() {
    new_namespace
    new_secret
    kubectl create secret generic db --from-literal=password="$secret" >/dev/null
    kubectl create serviceaccount robot >/dev/null
    record -- sh -c 'kubectl get secret db -o yaml; kubectl create token robot; kubectl get pod missing
        kubectl create role r --verb=get --resource=pods; kubectl delete role r; kubectl --as nobody get pods
        kubectl --kubeconfig "$0" get ns' "$KUBECONFIG"
    hoop sessions show @last -o json >shown.json
    assert_equal '{"secretsRead":1,"deletes":1,"rbacWrites":2,"credentials":1,"impersonated":1,"refused":1,"failedCommands":2,"outside":1}' \
        "$(jq -c '.effects | map_values(.count) | del(.secretValues, .withheld, .unlinked)' shown.json)" effects
    assert_equal 1 "$(jq .resources.secrets shown.json)"
    assert_equal INTACT "$(jq -r .verdict shown.json)"
    assert_equal "$(jq .session.requests shown.json)" "$(jq '[.verbs[]] | add' shown.json)" "requests by verb"
    assert_equal "$(jq .session.requests shown.json)" "$(jq '[.statuses[]] | add' shown.json)" "requests by status"
    run hoop sessions show @last
    assert_status 0
    assert_contains "$out" 'Secrets read'
    assert_contains "$out" '--request 1'
    assert_contains "$out" 'self-attested'
    assert_lacks "$out" "$secret"
}

test_sessions_search_finds_text_in_every_event() {
    new_namespace
    kubectl create configmap shop --from-literal=quote='say "needle-1"' >/dev/null
    record -- kubectl get configmap shop -o yaml
    record -- kubectl get ns needle-2
    run hoop sessions search needle-1
    assert_status 0
    assert_contains "$out" body
    assert_lacks "$out" needle-2
    run hoop sessions search needle-2
    assert_contains "$out" command.start
    assert_equal "$(hoop sessions search needle-2 -o jsonl | jq -r .session | sort -u)" "$id"
    run hoop sessions search needle-3
    assert_status 0
    assert_equal '' "$out"
    assert_contains "$err" 'not found in 2 sessions'
}

test_verify_all_of_an_empty_store_is_no_success() {
    mkdir -p "$TEST_DIR/empty"
    run hoop verify --all --store "$TEST_DIR/empty"
    assert_status 6
    assert_contains "$err" "no recordings found in $TEST_DIR/empty"
    new_namespace
    record -- kubectl get ns
    run hoop verify --all
    assert_status 0
    assert_contains "$out" ' in 1 segment of 1 journal, '
    assert_lacks "$out" hint
    rm -r "$STATE/trust"
    run hoop verify @last
    assert_status 7
    assert_contains "$out" 'hint: give the gateway'
}

test_a_running_session_can_be_looked_at() {
    new_namespace
    mkfifo go
    hoop exec -q -- sh -c 'kubectl get ns; read line <go; kubectl get pods' >/dev/null 2>&1 &
    wait_until 20 sh -c '"$0" replay @last 2>/dev/null | grep -q " 200 "' "$HOOP"
    run hoop replay @last
    assert_status 0
    assert_contains "$out" 'INCOMPLETE, self-attested'
    assert_contains "$out" 'no end recorded'
    assert_contains "$out" 'kubectl get ns'
    run hoop verify @last
    assert_status 8
    assert_contains "$out" self-attested
    run hoop sessions list --state running
    assert_contains "$out" running
    echo >go
    wait
    run hoop replay @last
    assert_contains "$out" 'INTACT, self-attested'
}
