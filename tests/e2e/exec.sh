# shellcheck shell=bash disable=SC2154,SC2016 # run, new_namespace set variables for us; inner scripts
# exec.sh - `kubectl hoop exec`: the command inside sees the clusters as it would outside, and its own status
# comes out.

test_exec_ends_with_the_status_of_its_command() {
    run kubectl hoop exec -- sh -c 'exit 7'
    assert_status 7
    run kubectl hoop exec -- true
    assert_status 0
}

test_exec_keeps_stdin_and_stdout_of_its_command() {
    printf 'in\0out' | kubectl hoop exec -- cat >"$TEST_DIR/got" 2>"$TEST_DIR/err"
    assert_same_file <(printf 'in\0out') "$TEST_DIR/got" stdout
}

test_exec_says_at_the_end_what_was_recorded() {
    run kubectl hoop exec -- kubectl get namespace default
    assert_status 0
    assert_contains "$err" "1 command"
    assert_contains "$err" "kubectl hoop replay"
    assert_lacks "$out" hoop "stdout"
}

test_contexts_and_namespaces_stay() {
    local name
    name=$(kubectl config current-context)
    new_namespace
    kubectl create configmap mine
    sha256sum "$KUBECONFIG" >before
    run kubectl hoop exec -- sh -c 'kubectl config get-contexts -o name && kubectl get configmap mine -o name &&
        kubectl --context "$1-second" get configmap mine -o name' sh "$name"
    assert_equal "$(kubectl config get-contexts -o name)
configmap/mine" "$out" stdout
    assert_status 1
    assert_contains "$err" 'configmaps "mine" not found'
    run kubectl hoop exec --context "$name-second" -- kubectl get configmap mine
    assert_status 1
    run kubectl hoop exec --context "$name-second" --namespace "$namespace" -- kubectl get configmap mine -o name
    assert_equal configmap/mine "$out"
    assert_same_file before <(sha256sum "$KUBECONFIG") "the user's kubeconfig"
}

test_users_stay_who_they_are() {
    local name
    name=$(kubectl config current-context)
    run kubectl hoop exec -- sh -c 'kubectl auth whoami -o jsonpath={.status.userInfo.username} &&
        kubectl --context "$1-viewer" auth whoami -o jsonpath=,{.status.userInfo.username} &&
        kubectl --context "$1-viewer" delete namespace default' sh "$name"
    assert_status 1
    assert_equal admin,viewer "$out"
    assert_contains "$err" 'User "viewer" cannot delete resource "namespaces"'
}

# Outside, kubectl asks for a password on the terminal here; what it sends without one is anonymous.
test_context_without_user_is_anonymous() {
    kubectl config set-context nobody --cluster "$(kubectl config view -o jsonpath='{.clusters[0].name}')" >/dev/null
    kubectl config set-context lost --cluster "$(kubectl config view -o jsonpath='{.clusters[0].name}')" --user gone >/dev/null
    for context in nobody lost; do
        run kubectl hoop exec --context "$context" -- kubectl get --raw /api/v1/pods
        assert_status 1
        assert_contains "$err" 'User "system:anonymous" cannot list resource "pods"'
    done
}

# kubectl's own default, localhost:8080, would be a way around the gateway.
test_context_without_cluster_leads_nowhere() {
    kubectl config set-context bare >/dev/null
    kubectl config set-context lost --cluster gone >/dev/null
    for context in bare lost; do
        run kubectl hoop exec -- kubectl --context "$context" get pods
        assert_status 1
        assert_lacks "$err" localhost:8080
        assert_contains "$err" 'names no cluster of this session'
    done
    kubectl config unset current-context >/dev/null
    run kubectl hoop exec -- kubectl get pods
    assert_status 1
    assert_lacks "$err" localhost:8080
}

test_gateway_refuses_who_has_no_bearer_of_the_session() {
    run kubectl hoop exec -- sh -c '
        server=$(kubectl config view --raw --minify -o "jsonpath={.clusters[0].cluster.server}")
        for header in X-None:1 "Authorization: Bearer wrong" "Authorization: Bearer khoop1.a.0.-.AAAA"; do
            curl -sk -o /dev/null -w "%{http_code}\n" -H "$header" "$server/api/v1/namespaces"
        done'
    assert_status 0
    assert_equal $'401\n401\n401' "$out"
}

test_private_files_are_private() {
    run kubectl hoop exec -- sh -c 'dirname "$KUBECONFIG" | xargs -I{} find {} -perm /077 ! -type l'
    assert_status 0
    assert_equal '' "$out" "files that others may read"
}

test_session_leaves_nothing_in_the_runtime_folder() {
    run kubectl hoop exec -- true
    assert_status 0
    assert_equal '' "$(find "$XDG_RUNTIME_DIR" -mindepth 2)"
}

test_call_around_the_gateway_is_counted() {
    run kubectl hoop exec -- sh -c 'KUBECONFIG="$1" kubectl get namespace default -o name' sh "$KUBECONFIG"
    assert_status 0
    assert_contains "$err" outside
    assert_equal true "$(events 'select(.type == "command.start") | .outside')"
}

test_ten_commands_at_once() {
    new_namespace
    run kubectl hoop exec -- sh -c '
        for i in 0 1 2 3 4 5 6 7 8 9; do kubectl create configmap "c$i" & done
        wait
        kubectl get configmaps -o name | wc -l'
    assert_status 0
    assert_equal 10 "$(tail -n 1 <<<"$out")"
    assert_equal 11 "$(events 'select(.type == "command.start")' | wc -l)" commands
    run kubectl hoop verify @last
    assert_status 0
    assert_contains "$out" INTACT
}

test_watch_delivers_at_once_and_ends_with_its_client() {
    new_namespace
    kubectl hoop exec -- sh -c 'echo $$ >pid; exec kubectl get configmaps --watch -o name' >watched 2>err &
    wait_until 10 grep -q "/$namespace/configmaps?.*watch=" "$PEER_AUDIT_LOG"
    kubectl create configmap now >/dev/null
    wait_until 1 grep -qx configmap/now watched
    kill -TERM "$(cat pid)"
    wait_until 3 watch_has_ended
    wait
}

# The API server has seen the end of the watch in our namespace.
watch_has_ended() {
    grep -F "/$namespace/configmaps?" "$PEER_AUDIT_LOG" |
        jq -se 'any(.verb == "watch" and .stage == "ResponseComplete")'
}

# answered MEANT ARG...: exec with these arguments is refused, with what was meant.
answered() {
    local meant=$1
    shift
    run hoop exec "$@"
    assert_status 2
    assert_contains "$err" "(fix: $meant)"
}

test_exec_with_a_pod_name_is_answered_with_what_was_meant() {
    run kubectl hoop exec web-0 -- sh
    assert_status 2
    answered 'kubectl hoop exec -- kubectl exec web-0 -- sh' web-0 -- sh
    answered 'kubectl hoop exec -- kubectl exec -it web-0 -- sh' -it web-0 -- sh
    answered 'kubectl hoop exec -- kubectl exec -i -t deploy/x -- sh' deploy/x -i -t -- sh
    answered "kubectl hoop exec -- kubectl exec -c app -n shop web-0 -- sh -c 'a b'" web-0 -c app -n shop -- sh -c 'a b'
    answered 'kubectl hoop exec -- kubectl exec --container=app --stdin web-0 -- env' --container=app --stdin web-0 -- env
    answered 'kubectl hoop exec --title t -- kubectl exec -it web-0 -- sh' --title t -it web-0
    answered 'kubectl hoop exec -- kubectl exec -n shop web-0 -- ls /' -n shop web-0 ls /
    answered 'kubectl hoop exec -- kubectl exec -it POD -- sh' -it -- sh
    answered 'kubectl hoop exec -l a=b -- kubectl get pods -o wide' -l a=b kubectl get pods -o wide
    run hoop exec --titel x -- true
    assert_contains "$err" 'did you mean --title?'
}

test_dry_run_starts_and_writes_nothing() {
    run hoop exec --dry-run -- kubectl get pods
    assert_status 0
    assert_contains "$out" "cluster      $(kubectl config view --minify -o jsonpath='{.clusters[0].name}, {.clusters[0].cluster.server}')"
    assert_contains "$out" "program      $PEER_KUBECTL, through its shim"
    run hoop exec --dry-run --context nowhere -- true
    assert_status 78
    run hoop exec --dry-run -- no-such-program
    assert_status 127
    assert_equal '' "$(find "$HOME" "$XDG_RUNTIME_DIR" -mindepth 1 -name '*hoop*')" "what was written"
}

# What is announced is the client's word: a program that never ends to be read, a folder that is no text.
test_announcement_of_nonsense_holds_nothing_up() {
    mkfifo "$TEST_DIR/pipe"
    cat >"$TEST_DIR/announce" <<'END'
import json, os, socket
for program in ("/dev/zero", os.environ["TEST_DIR"] + "/pipe", "/tmp", 7):
    control = socket.socket(socket.AF_UNIX)
    control.settimeout(5)
    control.connect(os.environ["KHOOP_SESSION_DIR"] + "/socket")
    control.sendall(json.dumps({"op": "command.start", "argv": ["x"], "executable": program, "cwd": {}, "pid": "1"}).encode() + b"\n")
    print("invocation" in json.loads(control.recv(4096)))
END
    run timeout 30 "$HOOP" exec -- python3 "$TEST_DIR/announce"
    assert_status 0
    assert_equal 'True True True True' "$(tr '\n' ' ' <"$TEST_DIR/out" | sed 's/ $//')"
    assert_json "$(events 'select(.type == "command.start")' | jq -s .)" \
        'length == 4 and all(has("executableSHA256") or has("cwd") or has("pid") | not)'
}

test_exec_inside_exec_is_refused() {
    run hoop exec -q -- kubectl hoop exec -- true
    assert_status 78
    assert_contains "$err" 'already inside session'
    run hoop exec -q -- env -u KHOOP_SESSION kubectl hoop exec -- true
    assert_status 78
    assert_contains "$err" 'already inside a session'
}

test_calls_that_outlive_the_command_are_told() {
    new_namespace
    kubectl create configmap one >/dev/null
    run hoop exec -- sh -c 'kubectl get configmaps --watch -o name >watched 2>&1 & echo $! >pid
        until [ -s watched ]; do sleep 0.1; done'
    assert_status 0
    assert_contains "$err" '1 command had not ended, 1 call was still open: cut off'
    assert_equal 1 "$(events 'select(.type == "complete" and .outcome == "gateway_end")' | wc -l)"
    wait_until 10 has_ended "$(cat pid)"
}

has_ended() {
    ! kill -0 "$1"
}

test_recorder_that_dies_is_told_and_the_command_goes_on() {
    "$HOOP" exec --status-fd 5 -- sh -c 'touch up; until [ -e down ]; do sleep 0.1; done; exit 7' 5>told 2>err &
    wait_until 20 test -e up
    kill -KILL "$(pgrep -P $! -f '^kubectl-hoop session-process$')"
    touch down
    status=0
    wait $! || status=$?
    assert_equal 7 "$status"
    assert_contains "$(cat err)" 'its recorder died: RECOVERED what it had written'
    assert_json "$(cat told)" '.started and .exit == 7 and (.recorded | not)'
    run hoop verify @last
    assert_status 8
}

# Nothing can be recovered while it holds its locks; it is not waited for without end.
test_recorder_that_hangs_is_told() { # long
    "$HOOP" exec -- sh -c 'touch up; until [ -e down ]; do sleep 0.1; done; exit 7' 2>err &
    wait_until 20 test -e up
    recorder=$(pgrep -P $! -f '^kubectl-hoop session-process$')
    kill -STOP "$recorder"
    touch down
    status=0
    wait $! || status=$?
    kill -CONT "$recorder"
    assert_equal 7 "$status"
    assert_contains "$(cat err)" 'its recorder does not answer'
    assert_lacks "$(cat err)" RECOVERED
    wait_until 20 hoop verify @last
    wait_until 5 gone "$(hoop sessions list -o name | sed 's,.*/,,')"
}

test_killed_exec_leaves_a_sealed_session_and_no_folder() {
    kubectl hoop exec -q -- sh -c 'kubectl get ns >/dev/null; touch ready; exec sleep 60' &
    wait_until 20 test -e ready
    kill -KILL $!
    wait_until 10 sealed
    kubectl hoop verify @last >/dev/null
    wait_until 5 gone "$(hoop sessions list -o name | sed 's,.*/,,')"
    pkill -f '^sleep 60$' || :
}

# folder_of PID: of the session that this exec runs.
folder_of() {
    tr '\0' '\n' <"/proc/$(pgrep -P "$1" -f '^sh -c')/environ" | sed -n 's/^KHOOP_SESSION_DIR=//p'
}

test_folder_of_a_session_that_was_killed_whole_is_removed_and_no_other() {
    "$HOOP" exec -q -- sh -c 'touch living; until [ -e down ]; do sleep 0.1; done' &
    living=$!
    "$HOOP" exec -q -- sh -c 'touch dying; until [ -e down ]; do sleep 0.1; done' &
    dying=$!
    wait_until 20 test -e living -a -e dying
    living_folder=$(folder_of "$living")
    dying_folder=$(folder_of "$dying")
    kill -STOP "$dying"
    kill -KILL "$(pgrep -P "$dying" -f '^kubectl-hoop session-process$')" "$dying"
    wait "$dying" || :
    run hoop sessions reap
    [ -d "$dying_folder" ] || fail "a folder was removed that its session may just have made"
    touch -d '2 minutes ago' "$living_folder" "$dying_folder"
    run hoop sessions reap
    [ ! -e "$dying_folder" ] || fail "reap left the folder of a dead session"
    # exec alone keeps it.
    touch -d '2 minutes ago' "$living_folder"
    kill -KILL "$(pgrep -P "$living" -f '^kubectl-hoop session-process$')"
    run hoop exec -q -- true
    [ -d "$living_folder" ] || fail "the folder of a living session was removed"
    touch down
    wait "$living"
    wait_until 5 test ! -e "$living_folder"
}

sealed() {
    [ -n "$(find "$STATE/store" -name '*.jsonl.zst' 2>/dev/null)" ]
}

# gone SESSION: it has no runtime folder, wherever the length of our path put it.
gone() {
    [ ! -e "$XDG_RUNTIME_DIR/kubectl-hoop/$1" ] && [ ! -e "/tmp/kubectl-hoop-$(id -u)/$1" ]
}

test_status_fd_tells_whether_it_ran() {
    run hoop exec -q --status-fd 5 -- sh -c 'exit 7' 5>told
    assert_status 7
    assert_json "$(cat told)" '.started and .exit == 7 and .recorded and (.session | length == 26)'
    # Whoever reads it to its end does not wait for what the command has left behind.
    hoop exec -q --status-fd 5 -- sh -c 'exec >/dev/null 2>&1; sleep 1000 & echo $! >pid' 5>&1 | grep -q started
    kill "$(cat pid)"
    run hoop exec --status-fd 9 -- true
    assert_status 2
    run hoop exec -q --status-fd 5 --context nowhere -- true 5>told
    assert_status 78
    assert_json "$(cat told)" '(.started | not) and (.recorded | not)'
}

test_title_labels_and_agent_are_recorded() {
    CLAUDECODE=1 run hoop exec -q --title 'a title' -l team=web --label run=7 -- true
    assert_status 0
    assert_json "$(events 'select(.type == "session.start")')" \
        '.title == "a title" and .labels == {team: "web", run: "7"} and .agent == "claude-code" and .selfAttested'
    run hoop exec -q --agent own -- true
    assert_equal own "$(events 'select(.type == "session.start") | .agent' -r | tail -n 1)"
}

# Names of files are bytes: a command, a folder, a title may hold some that are no UTF-8.
test_bytes_that_are_no_utf8_are_told_apart() {
    mkdir "$TEST_DIR/"$'caf\xe9'
    cd "$TEST_DIR/"$'caf\xe9' || fail "no such folder"
    printf value >$'k\xff'
    XDG_RUNTIME_DIR=$TEST_DIR/run KHOOP_AGENT=$'\xfe' run hoop exec --title $'t\xfe' -l $'a=\x80' -- \
        kubectl create secret generic bytes --dry-run=client -o name --from-file=$'k=k\xff'
    assert_status 0
    assert_equal secret/bytes "$out"
    assert_json "$(events 'select(.type == "session.start")')" \
        '.title == "t\\xfe" and .labels.a == "\\x80" and .agent == "\\xfe" and .argv[-1] == "--from-file=k=k\\xff"'
    assert_json "$(events 'select(.type == "command.start")')" \
        '.argv[-1] == "--from-file=k=k\\xff" and (.cwd | endswith("caf\\xe9"))'
    run hoop exec -l $'\xff=1' -- true
    assert_status 2
    for folder in XDG_RUNTIME_DIR XDG_STATE_HOME; do
        mkdir -m 700 "$TEST_DIR/"$'r\xff' 2>/dev/null || :
        run env "$folder=$TEST_DIR/"$'r\xff' "$HOOP" exec -q -- kubectl version --client
        assert_status 0
    done
}

test_expected_hash_anchors_this_session_alone() {
    run hoop exec -- true
    local hash
    hash=$(sed -n 's/.*--expect \([0-9a-f]*\).*/\1/p' <<<"$err")
    run hoop verify @last --expect "$hash"
    assert_status 0
    assert_contains "$out" anchored
    run hoop exec -q -- true
    run hoop verify @last --expect "$hash"
    assert_status 3
}

test_insecure_cluster_works_and_is_recorded_as_such() {
    local cluster
    cluster=$(kubectl config view -o jsonpath='{.clusters[0].name}')
    kubectl config unset "clusters.$cluster.certificate-authority-data" >/dev/null
    kubectl config set-cluster "$cluster" --insecure-skip-tls-verify=true >/dev/null
    run hoop exec -q -- kubectl get namespace default -o name
    assert_status 0
    assert_equal namespace/default "$out"
    assert_json "$(events 'select(.type == "session.start") | .cluster')" .insecureSkipTLSVerify
}
