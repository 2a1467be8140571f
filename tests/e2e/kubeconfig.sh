# shellcheck shell=bash disable=SC2154,SC2016 # run and lib.sh set variables for us; inner scripts
# kubeconfig.sh - what a kubeconfig can say works through the gateway as it does without.

# current FIELD: the name of the current context's cluster or user.
current() {
    kubectl config view --minify -o "jsonpath={.contexts[0].context.$1}"
}

# set_cluster KEY VALUE
set_cluster() {
    kubectl config set "clusters.$(current cluster).$1" "$2" >/dev/null
}

# same CMD...: prints the same through the gateway, with the same status, as directly.
same() {
    local direct direct_status=0
    direct=$("$@" 2>direct.err) || direct_status=$?
    run hoop exec -q -- "$@"
    assert_status "$direct_status"
    assert_equal "$direct" "$out" "what '$*' prints"
}

# in_background FILE CMD...: runs CMD until the test ends.
in_background() {
    local file=$1
    shift
    "$@" >"$file" 2>&1 </dev/null &
    background+=("$!")
    trap 'kill "${background[@]}" 2>/dev/null; wait' EXIT
}
background=()

free_port() {
    local port
    for port in $(shuf -i 10000-19999 -n 50); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
    fail "no free port"
}

listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start_http_proxy [tinyproxy-line...]: puts its port in `http_port`; its log is proxy.log.
start_http_proxy() {
    command -v tinyproxy >/dev/null || skip "no tinyproxy here"
    http_port=$(free_port)
    printf '%s\n' "Port $http_port" 'Listen 127.0.0.1' 'Timeout 600' "LogFile \"$TEST_DIR/proxy.log\"" \
        'LogLevel Connect' "$@" >proxy.conf
    in_background proxy.out tinyproxy -d -c proxy.conf
    wait_until 10 listens "$http_port"
}

test_proxy_http_with_a_user() {
    new_secret
    start_http_proxy "BasicAuth alice $secret"
    set_cluster proxy-url "http://alice:$secret@127.0.0.1:$http_port"
    same kubectl get namespace default -o yaml
    assert_contains "$(cat proxy.log)" 'Request (file descriptor'
    set_cluster proxy-url "http://127.0.0.1:$http_port"
    run hoop exec -q -- kubectl get namespace default
    assert_status 1
    assert_contains "$err" "through the proxy 127.0.0.1:$http_port: it refused with 407"
    set_cluster proxy-url "http://alice:$secret@127.0.0.1:1"
    run hoop exec -q -- kubectl get namespace default
    assert_status 1
    assert_contains "$err" 'the proxy: 127.0.0.1:1: connection refused'
    assert_lacks "$err" "$secret"
}

# TLS to the proxy, and TLS to the server inside it; much, and a stream.
test_proxy_https() {
    command -v socat >/dev/null || skip "no socat here"
    local port
    start_http_proxy
    port=$(free_port)
    in_background socat.log socat \
        "OPENSSL-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork,verify=0,cert=$PEER_DIR/server.crt,key=$PEER_DIR/server.key" \
        "TCP:127.0.0.1:$http_port"
    wait_until 10 listens "$port"
    set_cluster proxy-url "https://127.0.0.1:$port"
    same kubectl get namespace default -o yaml
    same kubectl get --raw /openapi/v2
    head -c 900000 /dev/zero | tr '\0' x >big
    new_namespace
    run hoop exec -q -- sh -c 'kubectl create configmap big --from-file=big >/dev/null &&
        kubectl get configmap big -o "jsonpath={.data.big}" && kubectl get --raw "/api/v1/namespaces?watch=1&timeoutSeconds=1" >/dev/null'
    assert_status 0
    assert_same_file big out "what came back"
}

test_proxy_socks5_with_a_user() {
    command -v microsocks >/dev/null || skip "no microsocks here"
    local port
    new_secret
    port=$(free_port)
    in_background socks.log microsocks -i 127.0.0.1 -p "$port" -u bob -P "$secret"
    wait_until 10 listens "$port"
    set_cluster proxy-url "socks5://bob:$secret@127.0.0.1:$port"
    same kubectl get namespace default -o yaml
    set_cluster proxy-url "socks5://bob:wrong@127.0.0.1:$port"
    run hoop exec -q -- kubectl get namespace default
    assert_status 1
    assert_contains "$err" 'it refused the user'
}

# 127.1 is a name to Go and to us, which is not loopback by its looks, and which a proxy finds.
test_proxy_of_the_environment() {
    start_http_proxy
    kubectl config set-cluster "$(current cluster)" --server="https://127.1:${PEER_SERVER##*:}" \
        --tls-server-name=127.0.0.1 >/dev/null
    HTTPS_PROXY=127.0.0.1:$http_port same kubectl get namespace default -o yaml
    local count
    count=$(grep -c Request proxy.log)
    [ "$count" -ge 2 ] || fail "the proxy was not asked"
    HTTPS_PROXY=127.0.0.1:$http_port NO_PROXY=x,127.1 run hoop exec -q -- kubectl get namespace default -o name
    assert_status 0
    assert_equal "$count" "$(grep -c Request proxy.log)" "requests of the proxy"
    # what is loopback by its looks is never asked for there
    kubectl config set-cluster "$(current cluster)" --server="$PEER_SERVER" >/dev/null
    HTTPS_PROXY=127.0.0.1:1 run hoop exec -q -- kubectl get namespace default -o name
    assert_status 0
}

test_impersonation_of_the_kubeconfig() {
    local user
    user=$(current user)
    # the entry of the current user comes first
    assert_equal "$user" "$(kubectl config view -o 'jsonpath={.users[0].name}')"
    sed -i "0,/^  user:/s|^  user:|  user:\n    as: jane\n    as-uid: '42'\n    as-groups: [dev, ops]\n    as-user-extra: {scope: [a, b]}|" \
        "$KUBECONFIG"
    same kubectl auth whoami -o 'jsonpath={.status.userInfo}'
    assert_contains "$out" '"username":"jane"'
    assert_contains "$out" '"uid":"42"'
    assert_json "$(events 'select(.type == "request" and .verb == "create")')" '[.. | strings] | any(. == "jane")'
    same kubectl get nodes
    assert_contains "$err" 'User "jane" cannot list resource "nodes"'
    # whom to act as has to be said
    sed -i '/^    as: jane/d' "$KUBECONFIG"
    run hoop exec -q -- kubectl get nodes
    assert_status 1
    assert_contains "$err" 'without impersonating a user' # kubectl's own words
}

test_certificates_in_files_and_data() {
    local user cluster
    user=$(current user)
    cluster=$(current cluster)
    mkdir -p pki other
    cp "$PEER_DIR/ca.crt" "$PEER_DIR/admin.crt" "$PEER_DIR/admin.key" pki/
    cp "$KUBECONFIG" data
    kubectl config unset "users.$user" >/dev/null
    kubectl config unset "clusters.$cluster.certificate-authority-data" >/dev/null
    cp "$KUBECONFIG" "$TEST_DIR/files"
    export KUBECONFIG=$TEST_DIR/files
    # relative to the file, wherever the command runs
    sed -i "s|^- cluster:|- cluster:\n    certificate-authority: pki/ca.crt|
        s|^users:|users:\n- {name: $user, user: {client-certificate: pki/admin.crt, client-key: pki/admin.key}}|" files
    same env -C other kubectl auth whoami
    # data wins over the file
    sed -i "s|^    certificate-authority: .*|    certificate-authority: pki/none\n    certificate-authority-data: $(base64 -w0 pki/ca.crt)|" files
    run hoop exec -q -- kubectl auth whoami
    assert_status 0
    # another name than the certificate has
    kubectl config set-cluster "$cluster" --tls-server-name=other.example >/dev/null
    run hoop exec -q -- kubectl auth whoami
    assert_status 1
    assert_contains "$err" other.example
    # a file that is not there
    sed -i '/certificate-authority-data/d' files
    run hoop exec -q -- kubectl auth whoami
    assert_status 1
    assert_contains "$err" 'certificate-authority: open'
    # a CA and none at once
    sed -i "s|^    certificate-authority: .*|    certificate-authority: pki/ca.crt\n    insecure-skip-tls-verify: true|" files
    run hoop exec -q -- kubectl auth whoami
    assert_status 1
    assert_contains "$err" 'has a CA and insecure-skip-tls-verify'
}

# Its files are replaced while the session runs: as client-go does, new connections show the new one.
test_client_certificate_that_is_replaced() {
    local user
    user=$(current user)
    issue() {
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" \
            -out csr.pem 2>/dev/null
        openssl x509 -req -days 1 -in csr.pem -CA "$PEER_DIR/ca.crt" -CAkey "$PEER_DIR/ca.key" -set_serial 7 \
            -out "$1.crt" 2>/dev/null
    }
    issue first
    issue second
    cp first.crt now.crt
    cp first.key now.key
    kubectl config unset "users.$user" >/dev/null
    sed -i "s|^users:|users:\n- {name: $user, user: {client-certificate: $PWD/now.crt, client-key: $PWD/now.key}}|" "$KUBECONFIG"
    run hoop exec -q -- sh -c 'kubectl auth whoami -o "jsonpath={.status.userInfo.username} "; mv second.crt now.crt
        kubectl auth whoami -o "jsonpath={.status.userInfo.username} "; mv second.key now.key; kubectl auth whoami -o "jsonpath={.status.userInfo.username} "'
    assert_status 0
    assert_equal 'first first second ' "$out"
}

test_token_file_that_is_replaced() {
    local user token
    new_namespace
    for name in one two; do
        kubectl create serviceaccount "$name" >/dev/null
        token=$(kubectl create token "$name")
        add_secret "$token"
        echo "$token" >"token.$name"
    done
    user=$(current user)
    mv token.one "$(dirname "$KUBECONFIG")/token.now"
    kubectl config unset "users.$user" >/dev/null
    sed -i "s|^users:|users:\n- {name: $user, user: {tokenFile: token.now}}|" "$KUBECONFIG"
    NOW=$(dirname "$KUBECONFIG")/token.now run hoop exec -q -- sh -c '
        kubectl auth whoami -o "jsonpath={.status.userInfo.username} "; mv token.two "$NOW"
        kubectl auth whoami -o "jsonpath={.status.userInfo.username} "'
    assert_status 0
    assert_equal "system:serviceaccount:$namespace:one system:serviceaccount:$namespace:two " "$out"
}

test_several_files_are_merged_and_empty_ones_skipped() {
    local token
    token=$(cat "$PEER_DIR/viewer.token")
    add_secret "$token"
    : >empty
    printf 'current-context: merged\ncontexts:\n- {name: merged, context: {cluster: %s, user: extra, namespace: kube-system}}\nusers:\n- {name: extra, user: {token: %s}}\n' \
        "$(current cluster)" "$token" >first
    KUBECONFIG=empty:first::nowhere:$KUBECONFIG same kubectl auth whoami -o 'jsonpath={.status.userInfo.username}'
    assert_equal viewer "$out"
    # the first one of a name wins
    printf 'users:\n- {name: extra, user: {token: wrong}}\n' >last
    KUBECONFIG=first:last:$KUBECONFIG same kubectl auth whoami -o 'jsonpath={.status.userInfo.username}'
    assert_equal viewer "$out"
}

test_disable_compression() {
    set_cluster disable-compression true
    run hoop exec -q -- kubectl get namespaces -o name
    assert_status 0
    run hoop exec -q -- sh -c 'grep -o "\"disable-compression\":[ a-z]*" "$KUBECONFIG"'
    assert_contains "$out" true
}

test_what_cannot_be_done_is_said() {
    local user row
    user=$(current user)
    kubectl config unset "users.$user" >/dev/null
    cp "$KUBECONFIG" without
    while IFS='|' read -r row message; do
        sed "s#^users:#users:\n- {name: $user, user: {$row}}#" without >"$KUBECONFIG"
        run hoop exec -q -- kubectl get namespaces
        assert_status 1
        assert_contains "$err" "$message" "for $row"
        assert_contains "$err" '(fix: '
    done <<'ROWS'
auth-provider: {name: oidc}|uses auth-provider
token: a, username: b, password: c|has a token and a password
client-certificate-data: YQ==|has a client certificate without its key
exec: {command: a, apiVersion: v2}|of the apiVersion
tokenFile: nowhere|token file
ROWS
    printf 'clusters:\n- {name: none, cluster: {server: "https://a"}}\n' >none
    KUBECONFIG=none:$KUBECONFIG run hoop exec -q -- true
    assert_status 78
    assert_contains "$err" 'is called "none"'
}

# Every field of client-go's types has its row, and every row its test.
test_every_kubeconfig_field_has_a_test() {
    local types rows=$E2E/../kubeconfig_fields file name
    # $cache/bin/kubectl-…/kubectl was built from the modules in $cache/gomod
    types=$(find "${PEER_KUBECTL%/bin/*}/gomod/k8s.io" -path '*/tools/clientcmd/api/v1/types.go' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$types" ] || skip "the peers were not built here: no client-go to compare with"
    # struct.key, for all structs
    awk '/^type .* struct/ { type = $2 }
        match($0, /json:"[^",]+/) { print type "." substr($0, RSTART + 6, RLENGTH - 6) }' "$types" | sort >fields
    sed 's/#.*//; /^ *$/d' "$rows" | awk '{ print $1 }' | sort >listed
    assert_same_file fields listed "the fields of $types and those of tests/kubeconfig_fields"
    while read -r _ file name; do
        grep -qE "(^| )$name\(" "$E2E/../$file" || fail "$file has no test $name"
    done < <(sed 's/#.*//; /^ *$/d' "$rows")
}
