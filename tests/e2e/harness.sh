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
