# shellcheck shell=bash disable=SC2154,SC2016 # new_secret, run set variables for us; inner scripts
# secrets.sh - secret values reach the client and never a file of ours. That no file has them, the harness
# looks after each test.

test_secret_is_read_in_full_and_recorded_without_its_value() {
    new_namespace
    new_secret
    kubectl create secret generic db --from-literal=password="$secret"
    kubectl get secret db -o json >direct.json
    kubectl get secret db -o yaml >direct.yaml
    run kubectl hoop exec -- sh -c 'kubectl get secret db -o json >json && kubectl get secret db -o yaml >yaml &&
        kubectl get secrets && kubectl get secret db -o name'
    assert_status 0
    assert_same_file direct.json json "secret as JSON"
    assert_same_file direct.yaml yaml "secret as YAML"
    assert_equal '' "$(events 'select(.type == "withheld")')" "withheld events"
    assert_contains "$(events 'select(.type == "body") | .text' -r)" '"password":"redacted:v1:'
    assert_contains "$err" "secret"
}

test_secret_is_written_in_full_and_recorded_without_its_value() {
    new_namespace
    new_secret
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: applied}\nstringData: {password: "%s"}\n' "$secret" >secret.yaml
    # By the environment: an argument without a name is no secret that anyone could recognise.
    export secret
    run kubectl hoop exec -- sh -c '
        kubectl create secret generic literal --from-literal=password="$secret" &&
        kubectl apply -f secret.yaml && kubectl apply --server-side --force-conflicts -f secret.yaml &&
        kubectl patch secret literal -p "{\"stringData\":{\"more\":\"$secret\"}}" &&
        kubectl patch secret literal --type=json -p "[{\"op\":\"add\",\"path\":\"/stringData\",\"value\":{\"third\":\"$secret\"}}]"
        '
    assert_status 0
    for key in password more; do
        assert_equal "$secret" "$(kubectl get secret literal -o "jsonpath={.data.$key}" | base64 -d)"
    done
    assert_equal "$secret" "$(kubectl get secret applied -o 'jsonpath={.data.password}' | base64 -d)"
}

test_secret_in_a_watch() {
    new_namespace
    new_secret
    kubectl hoop exec -- sh -c 'echo $$ >pid; exec kubectl get secrets --watch -o json' >watched 2>err &
    wait_until 10 test -s pid
    kubectl create secret generic late --from-literal=password="$secret"
    wait_until 10 grep -q "$(printf %s "$secret" | base64 -w 0)" watched
    kill -TERM "$(cat pid)"
    wait
    assert_contains "$(events 'select(.type == "body") | .text' -r)" '"password":"redacted:v1:'
}

test_token_is_issued_and_marked() {
    new_namespace
    kubectl create serviceaccount robot
    run kubectl hoop exec -- kubectl create token robot
    assert_status 0
    assert_contains "$out" eyJ
    add_secret "$out"
    assert_equal 1 "$(events 'select(.type == "credential.issued")' | wc -l)" "credential.issued events"
}

# What a person or a program says about itself may hold a secret as well.
test_title_labels_and_environment_are_redacted() {
    new_secret
    run hoop exec -q --title "try --token $secret" -l "token=$secret" -l team=web -- \
        env KUBE_EDITOR="edit --password=$secret" kubectl version --client
    assert_status 0
    assert_json "$(events 'select(.type == "session.start")')" \
        '.title == "try --token redacted" and .labels == {token: "redacted", team: "web"}'
    assert_json "$(events 'select(.type == "command.start")')" \
        '.env.KUBE_EDITOR == "edit --password=redacted"'
}

# The environment that a client of the control socket reports is taken by name, whatever else it says.
test_environment_is_recorded_by_name_only() {
    new_secret
    export secret
    run hoop exec -q -- perl -MIO::Socket::UNIX -e '
        my $s = IO::Socket::UNIX->new(Peer => "$ENV{KHOOP_SESSION_DIR}/socket") or die "$!";
        print $s qq({"op":"command.start","argv":["x"],"env":{"CI":"true","DB_URL":"$ENV{secret}","AI_AGENT":{"a":"$ENV{secret}"}}}\n);
        $s->flush; print scalar <$s>;'
    assert_status 0
    assert_contains "$out" '"invocation"'
    assert_json "$(events 'select(.type == "command.start")')" '.env == {CI: "true"}'
}
