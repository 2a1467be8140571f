# shellcheck shell=bash disable=SC2154,SC2016 # new_secret, run set variables for us; inner scripts
# replay.sh - what `kubectl hoop replay` and `sessions` show is what happened.

replay_json() {
    hoop replay @last -o json >"$TEST_DIR/replay.json"
}

test_replay_shows_each_command_with_its_requests() {
    new_namespace
    run kubectl hoop exec --title "two commands" -- sh -c \
        'kubectl create configmap shop && kubectl get configmap shop missing'
    assert_status 1
    replay_json
    assert_equal 2 "$(jq '.commands | length' replay.json)" commands
    assert_equal '["kubectl","create","configmap","shop"]' "$(jq -c '.commands[0].argv' replay.json)" argv
    assert_equal '[0,1]' "$(jq -c '[.commands[].exit.code]' replay.json)" "exit codes"
    assert_equal true "$(jq '[.commands[].requests | length > 0] | all' replay.json)" "requests under each"
    assert_equal 0 "$(jq '[.unlinked[].requests[]] | length' replay.json)" "unlinked requests"
    assert_equal '[]' "$(jq -c .findings replay.json)" findings
    assert_equal 201 "$(jq '.commands[0].requests[] | select(.method == "POST").status' replay.json)"
    assert_equal 404 "$(jq '.commands[1].requests[] | select(.requestURI | endswith("/missing")).status' replay.json)"
    assert_equal INTACT "$(jq -r .verdict.word replay.json)"

    run hoop replay @last
    assert_status 0
    assert_contains "$out" 'kubectl get configmap shop missing'
    assert_contains "$out" 'POST   /api/v1/namespaces/'
    assert_contains "$out" 'two commands'
    run hoop sessions
    assert_contains "$out" 'two commands'
}

test_replay_shows_a_secret_by_name_and_key_alone() {
    new_namespace
    new_secret
    kubectl create secret generic db --from-literal=password="$secret"
    hoop exec -q -- kubectl get secret db -o json >/dev/null
    run hoop replay @last --bodies
    assert_status 0
    assert_contains "$out" '/secrets/db'
    assert_contains "$out" '"password": "redacted:v1:'
    assert_contains "$out" '1 secret value withheld from the recorded response'
    assert_lacks "$out" "$secret"
    assert_lacks "$out" "$(printf %s "$secret" | base64 -w 0)"
}

test_replay_gives_back_the_bytes_that_the_client_saw() {
    new_namespace
    kubectl create configmap shop --from-literal=a="$(printf '\033[2J\303\274')"
    path=/api/v1/namespaces/$(kubectl config view --minify -o 'jsonpath={..namespace}')/configmaps/shop
    hoop exec -q -- kubectl get --raw "$path" >seen
    replay_json
    number=$(jq '.commands[0].requests[] | select(.requestURI | endswith("/shop")).number' replay.json)
    hoop replay @last --body "$number" -o raw >replayed
    assert_same_file seen replayed "body"
    hoop replay @last -o jsonl >lines
    assert_equal "$(events .seq)" "$(jq .seq lines)" "event lines"
    run hoop replay @last --request "$number"
    assert_contains "$out" "GET $path"
    assert_lacks "$out" "$(printf '\033')"
}

test_replay_shows_before_and_after_of_what_was_changed() {
    new_namespace
    new_secret
    kubectl create deployment web --image=nginx >/dev/null
    kubectl create configmap shop --from-literal=a=1 --dry-run=client -o yaml >shop.yaml
    export VALUE=$secret
    run kubectl hoop exec -q -- bash -c '
        kubectl apply -f shop.yaml
        sed "s/a: .1./a: \"2\"/" shop.yaml | kubectl apply -f -
        kubectl scale deploy/web --replicas=3
        kubectl create secret generic db --from-literal=password="$VALUE" --dry-run=client -o yaml | kubectl apply -f -
        kubectl get secret db -o yaml >/dev/null
        kubectl patch secret db -p "{\"stringData\":{\"password\":\"$VALUE-too\"}}"
        kubectl get pod missing'
    assert_status 1
    run hoop replay @last
    assert_status 0
    assert_contains "$out" '- data.a: "1"'
    assert_contains "$out" '+ data.a: "2"'
    assert_contains "$out" '- spec.replicas: 1'
    assert_contains "$out" '+ spec.replicas: 3'
    assert_contains "$out" '- data.password: "redacted:v1:'
    assert_lacks "$out" resourceVersion
    assert_lacks "$out" "$secret"
    run hoop replay @last --no-diff
    assert_lacks "$out" spec.replicas
    run hoop replay @last --show-managed-fields
    assert_contains "$out" metadata.resourceVersion
    hoop replay @last -o json --resource deploy/scale >scale.json
    assert_equal '[{"path":"spec.replicas","before":1,"after":3}]' \
        "$(jq -c '[.commands[].requests[].changes.items[]]' scale.json)"
}

test_replay_shows_what_the_filters_ask_for() {
    new_namespace
    hoop exec -q -- sh -c 'kubectl create configmap shop; kubectl get configmap shop missing; kubectl get ns' \
        >/dev/null 2>&1 || :
    hoop replay @last -o json >all.json
    hoop replay @last --code 4xx -o json >missing.json
    assert_equal '[404]' "$(jq -c '[.commands[].requests[].status] | unique' missing.json)"
    assert_equal "$(jq '[.commands[].requests[]] | length' all.json)" "$(jq .shown.of missing.json)" "all of them"
    assert_equal "$(jq '[.commands[].requests[]] | length' missing.json)" "$(jq .shown.requests missing.json)"
    run hoop replay @last --verb create --resource cm -n "$namespace"
    assert_contains "$out" 'shown     1 of '
    assert_contains "$out" 'POST '
    assert_lacks "$out" 'GET  '
    run hoop replay @last --command 'get ns'
    assert_contains "$out" 'kubectl get ns'
    assert_lacks "$out" 'POST '
    run hoop replay @last --until yesterday
    assert_contains "$out" 'shown     0 of '
    assert_equal "$(hoop replay @last --verb create -o jsonl | jq -r .type | sort | uniq -c | grep -c request)" 1
    run hoop replay @last --since 5x
    assert_status 2
    assert_contains "$err" "--since: '5x' is no time"
}

# on_terminal CMD...: CMD on a pseudo-terminal, as a person without an agent has it; what it showed is in `out`.
on_terminal() {
    run env -i PATH="$PATH" HOME="$HOME" XDG_STATE_HOME="$XDG_STATE_HOME" TERM=xterm PAGED="$PWD/paged" "$@" \
        script -qec "stty cols 90; $HOOP replay @last" /dev/null
}

test_replay_has_colours_and_a_pager_on_a_terminal_alone() {
    new_namespace
    hoop exec -q -- kubectl get ns >/dev/null
    escape=$(printf '\033')
    on_terminal KHOOP_PAGER='cat >$PAGED'
    assert_status 0
    assert_contains "$(cat paged)" "${escape}[1mkubectl get ns${escape}[0m"
    assert_lacks "$out" 'kubectl get ns' "what went around the pager"
    rm paged
    on_terminal PAGER=no-such-pager
    assert_contains "$out" 'the pager could not be run'
    on_terminal PAGER=false
    assert_status 0 # left at once
    on_terminal PAGER='cat >$PAGED' KHOOP_AGENT=robot
    assert_contains "$out" 'kubectl get ns'
    [ ! -e paged ] || fail "an agent got a pager"
    on_terminal PAGER= NO_COLOR=1
    assert_contains "$out" 'kubectl get ns'
    assert_lacks "$out" "$escape"
    hoop replay @last >plain
    assert_lacks "$(cat plain)" "$escape"
    hoop replay @last >again
    assert_same_file plain again
    run hoop replay @last --color always
    assert_contains "$out" "${escape}[1m"
}

test_replay_merges_the_journals_of_several_clusters_by_time() {
    new_namespace
    user=$(kubectl config view --minify -o 'jsonpath={.contexts[0].context.user}')
    kubectl config set-cluster other --server="$PEER_SERVER" --certificate-authority="$PEER_DIR/ca.crt" >/dev/null
    kubectl config set-context other --cluster=other --user="$user" >/dev/null
    hoop exec -q -- sh -c 'for i in 1 2 3; do kubectl get ns; kubectl --context other get ns; done' >/dev/null
    hoop replay @last -o jsonl >lines
    jq -r .time lines | sort -c || fail "not in the order of time"
    [ "$(jq -c 'select(.type == "session.start")' lines | wc -l)" -eq 2 ] || fail "not two journals"
    assert_equal "$(stored_lines | jq -c 'select(.seq != null and .type != "index")' | sort)" "$(jq -c . lines | sort)" events
    run hoop replay @last
    assert_contains "$out" 'cluster   other'
    assert_lacks "$out" findings
    # One of them cannot go missing unseen.
    rm -r "$STATE"/store/v1/segments/cluster=other
    run hoop verify @last
    assert_status 3
    assert_contains "$out" 'journal that the end of another names'
}
