# shellcheck shell=bash disable=SC2154 # run, new_namespace set variables for us
# harness.sh - what the other tests rest on: the cluster, the contexts, the pinned kubectl.

test_cluster_has_three_contexts() {
    run kubectl config get-contexts -o name
    assert_status 0
    assert_equal 3 "$(wc -l <<<"$out")" contexts
    run kubectl get configmaps --namespace default -o name
    assert_status 0
    run kubectl --context "$(kubectl config current-context)-viewer" delete namespace default
    assert_status 1
    assert_contains "$err" 'User "viewer" cannot delete resource "namespaces"'
}

test_cluster_audit_log_names_every_request() {
    run kubectl get configmap no-such-thing-"$$"
    assert_status 1
    assert_contains "$(cat "$PEER_AUDIT_LOG")" "configmaps/no-such-thing-$$"
}

test_namespace_is_the_default_afterwards() {
    new_namespace
    kubectl create configmap here
    assert_equal configmap/here "$(kubectl get --namespace "$namespace" -o name configmap/here)"
}

# A harness that cannot fail proves nothing.
test_harness_notices_what_must_fail() {
    run env HOOP_BUILD="$(dirname "$HOOP")/.." KHOOP_E2E_FOLDER="$E2E/must-fail" "$E2E/run"
    assert_status 1
    assert_contains "$out" "0 passed, 7 failed, 0 skipped"
    assert_contains "$out" "reasons.sh:6: failed, status 1: test -e"
    assert_contains "$out" "reasons.sh:12: exit status 1, expected 0, of: test 1 -eq 2"
    assert_contains "$out" "< expected"
    assert_contains "$out" "left behind: "
    assert_contains "$out" "sanitizer report sanitizer.1"
    assert_contains "$out" "store/one.jsonl.zst"
    assert_contains "$out" "spool/one.jsonl.zst.part"
}
