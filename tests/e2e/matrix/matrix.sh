# shellcheck shell=bash
# matrix.sh - kubectl and helm, two releases of each, all day long: the same with and without a recording, and
# the recording has every command with its requests.

# shellcheck source=tests/e2e/same.sh
. "$E2E/same.sh"

# add_user NAME DIR USER GROUP: an entry NAME in the kubeconfig, for a USER of the cluster in DIR.
add_user() {
    new_certificate "$2" "$3" "$4"
    kubectl config set-credentials "$1" --client-certificate "$3.crt" --client-key "$3.key" --embed-certs
}

# use_clusters: KUBECONFIG and PEER_* are then those of a whole cluster that nobody else uses. Two contexts more:
# `viewer`, a user of it who may do nothing yet, and `other`, the cluster of before.
use_clusters() {
    local name=m-$$ other_dir=$PEER_DIR other_server=$PEER_SERVER
    export KHOOP_PEERS_CACHE=${PEER_KUBECTL%/bin/*} KHOOP_PEERS_STATE=${PEER_DIR%/*}
    trap '"$E2E/../peers/cluster" stop "m-$$"' EXIT
    "$E2E/../peers/cluster" start "$name" --full >/dev/null
    export OTHER_AUDIT_LOG=$PEER_AUDIT_LOG
    eval "$("$E2E/../peers/cluster" env "$name")"
    cp "$KUBECONFIG" "$TEST_DIR/kubeconfig"
    export KUBECONFIG=$TEST_DIR/kubeconfig
    add_user viewer "$PEER_DIR" "$prefix-viewer" viewers
    kubectl config set-context viewer --cluster "$name" --user viewer
    add_user other "$other_dir" "$prefix" system:masters
    kubectl config set-cluster other --server "$other_server" --certificate-authority "$other_dir/ca.crt" --embed-certs
    kubectl config set-context other --cluster other --user other
}

test_kubectl() { # long
    use_clusters >/dev/null
    compare_scenario kubectl_full
}

test_kubectl_older() { # long
    PATH=$(dirname "$HOOP"):$(dirname "$PEER_KUBECTL_OLDER"):$PATH
    use_clusters >/dev/null
    compare_scenario kubectl_full
}

# try_helm BINARY
try_helm() {
    PATH=$(dirname "$HOOP"):$(dirname "$1"):$PATH
    use_clusters >/dev/null
    compare_scenario helm
}

test_helm_3() { # long
    try_helm "$PEER_HELM_3"
}

test_helm_4() { # long
    try_helm "$PEER_HELM_4"
}
