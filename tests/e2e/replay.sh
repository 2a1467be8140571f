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
