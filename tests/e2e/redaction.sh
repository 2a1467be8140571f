# shellcheck shell=bash disable=SC2154,SC2016,SC2317 # others set variables for us; inner scripts; rows are called by name
# redaction.sh - one row per way in which a secret can cross. Each row runs inside one session and prints
# what its client, or a reader beside the gateway, saw: the row's canary must be in that, and in no file
# of ours. What kubectl would not send is sent by curl, each time once over HTTP/2 and once over HTTP/1.1.

# --- rows: `canary` is a fresh value, `packed` its base64, `name` of a Secret; `secret` the address of all,
# `direct` a kubectl that goes around the gateway ---

# made: the Secret is there, made beside the gateway.
made() { $direct create secret generic "$name" --from-literal=password="$canary" >/dev/null; }
# stored: what the API server holds of it now, to show that the gateway let it through.
stored() { $direct get secret "$name" -o json; }
# web ARG...: curl, for the answer, as the session's own user.
web() {
    curl -sS --noproxy '*' --max-time 20 "$http" --cacert ../ca.crt -H "Authorization: Bearer $bearer" "$@"
}
patch_web() { web -X PATCH -H "Content-Type: application/$1" "$secret/$name${3-}" --data-binary "$2"; }

row_get_json() { made && kubectl get secret "$name" -o json; }
row_get_yaml() { made && kubectl get secret "$name" -o yaml; }
row_get_jsonpath() { made && kubectl get secret "$name" -o 'jsonpath={.data.password}'; }
row_get_template() { made && kubectl get secret "$name" -o 'go-template={{.data.password | base64decode}}'; }
row_get_columns() { made && kubectl get secret "$name" -o custom-columns=P:.data.password; }
row_get_raw() { made && kubectl get --raw "/api/v1/namespaces/$namespace/secrets/$name"; }
row_list() { made && kubectl get secrets -o json; }
row_list_all_namespaces() { made && kubectl get secrets -A -o yaml; }
row_list_mixed() { made && kubectl get configmaps,secrets -o json; }
row_watch() {
    made
    timeout 3 kubectl get secret "$name" --watch -o json || :
}
row_watch_deleted() {
    made
    timeout 5 kubectl get secrets --watch-only -o json --field-selector "metadata.name=$name" &
    sleep 1.5
    $direct delete secret "$name" >/dev/null
    wait $! || :
}
row_table_with_objects() {
    made
    web -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' "$secret?includeObject=Object"
}
row_table_with_annotations() { applied && web -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' "$secret"; }
row_metadata_only() {
    applied
    web -H 'Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' "$secret/$name"
}
row_metadata_list() {
    applied
    web -H 'Accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' "$secret"
}
row_protobuf_answer() { made && web -H 'Accept: application/vnd.kubernetes.protobuf' "$secret/$name"; }
row_yaml_answer() { made && web -H 'Accept: application/yaml' "$secret/$name"; }
row_pretty_answer() { made && web "$secret/$name?pretty=true"; }
row_gzip_answer() {
    head -c 300000 /dev/zero | tr '\0' x >filler
    $direct create secret generic "$name" --from-literal=password="$canary" --from-file=filler >/dev/null
    web -H 'Accept-Encoding: gzip' -D head "$secret/$name" | gunzip
    grep -qi '^content-encoding: gzip' head
}
row_watch_answer_of_curl() {
    made
    web --max-time 2 "$secret?watch=1&fieldSelector=metadata.name%3D$name" || :
}
row_old_watch_path() {
    made
    web --max-time 2 "${secret/api\/v1/api/v1/watch}/$name" || :
}
row_delete_answer() {
    made
    $direct patch secret "$name" --type=merge -p '{"metadata":{"finalizers":["example.com/x"]}}' >/dev/null
    web -X DELETE "$secret/$name"
    $direct patch secret "$name" --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null
}
row_delete_collection_answer() { made && web -X DELETE "$secret?fieldSelector=metadata.name%3D$name"; }

row_create_literal() { kubectl create secret generic "$name" --from-literal=password="$canary" -o json; }
row_create_literal_word() { kubectl create secret generic "$name" --from-literal password="$canary" -o json; }
row_create_file() {
    printf '%s' "$canary" >file
    kubectl create secret generic "$name" --from-file=file -o yaml
}
row_create_env_file() {
    printf 'A=%s\n' "$canary" >file
    kubectl create secret generic "$name" --from-env-file=file -o yaml
}
row_create_docker() {
    kubectl create secret docker-registry "$name" --docker-server=r --docker-username=u --docker-password="$canary"
    stored | jq -r '.data[".dockerconfigjson"] | @base64d'
}
row_create_tls() {
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout key -out cert 2>/dev/null
    sed -n 5p key >own
    kubectl create secret tls "$name" --cert=cert --key=key
    stored | jq -r '.data["tls.key"] | @base64d'
}
row_create_dry_run() { kubectl create secret generic "$name" --from-literal=p="$canary" --dry-run=server -o yaml; }
# What kubectl sends as JSON, a client may send in YAML; comments, anchors and all.
row_create_yaml() {
    printf '# %s\nkind: Secret\napiVersion: v1\nmetadata: {name: %s, labels: {kept: kept-label}}\nx: &a {p: %s}\nstringData:\n  <<: *a\n  b: |\n    %s\n  c: "%s" # %s\n' \
        "$core" "$name" "$core" "$canary" "$core" "$core" |
        web -X POST -H 'Content-Type: application/yaml' "$secret" --data-binary @-
}
row_create_yaml_documents() {
    printf -- '---\nkind: Secret\napiVersion: v1\nmetadata: {name: %s}\nstringData: {p: %s}\n---\nstringData: {p: %s}\n' \
        "$name" "$core" "$core" | web -X POST -H 'Content-Type: application/yaml' "$secret" --data-binary @-
    stored
}
row_create_protobuf() {
    made
    web -H 'Accept: application/vnd.kubernetes.protobuf' "$secret/$name" >body
    web -X PUT -H 'Content-Type: application/vnd.kubernetes.protobuf' "$secret/$name" --data-binary @body
}
row_create_cbor() {
    web -X POST -H 'Content-Type: application/cbor' "$secret" --data-binary "$canary"
    printf '%s' "$canary"
}
row_create_gzip() { # which the server does not undo
    printf '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"%s"},"stringData":{"p":"%s"}}' "$name" "$core" >body
    gzip -k body
    web -X POST -H 'Content-Type: application/json' -H 'Content-Encoding: gzip' "$secret" --data-binary @body.gz
    web -X POST -H 'Content-Type: application/json' -H 'Content-Encoding: br' "$secret" --data-binary @body
    stored
}
row_create_yaml_in_chunks() {
    printf 'kind: Secret\napiVersion: v1\nmetadata: {name: %s}\nstringData: {p: %s}\n' "$name" "$core" |
        web -X POST -H 'Content-Type: application/yaml' -H 'Transfer-Encoding: chunked' "$secret" --data-binary @-
    stored
}
row_create_yaml_after_100() { # its head is forwarded before the body is read
    printf 'kind: Secret\napiVersion: v1\nmetadata: {name: %s}\nstringData: {p: %s}\n' "$name" "$core" |
        web -X POST -H 'Content-Type: application/yaml' -H 'Expect: 100-continue' "$secret" --data-binary @-
    stored
}
row_create_yaml_too_large() {
    {
        printf 'kind: Secret\nstringData: {p: %s}\nx: ' "$core"
        head -c 3300000 /dev/zero | tr '\0' x
    } >body
    web -X POST -H 'Content-Type: application/yaml' -H 'Expect:' "$secret" --data-binary @body | grep 'kubectl-hoop: .*"code":413'
    printf '%s' "$canary"
}
row_create_form() {
    web -X POST "$secret" --data "password=$core"
    printf '%s' "$canary"
}
row_create_list() {
    web -X POST -H 'Content-Type: application/json' "$secret" --data-binary '{"kind":"List","apiVersion":"v1",
        "items":[{"kind":"ConfigMap","data":{"a":"b"}},{"kind":"Secret","stringData":{"p":"'"$core"'"}}]}'
    printf '%s' "$canary"
}

applied() {
    jq -n --arg n "$name" --arg c "$canary" \
        '{apiVersion: "v1", kind: "Secret", metadata: {name: $n}, stringData: {password: $c}}' >applied.json
    $direct apply -f applied.json >/dev/null
}
row_apply() {
    jq -n --arg n "$name" --arg c "$canary" \
        '{apiVersion: "v1", kind: "Secret", metadata: {name: $n}, stringData: {password: $c}}' >apply.json
    kubectl apply -f apply.json
    jq '.metadata.labels.a = "b"' apply.json | kubectl apply -f -
    kubectl get secret "$name" -o json
}
row_apply_list() {
    jq -n --arg n "$name" --arg c "$canary" '{apiVersion: "v1", kind: "List", items: [
        {apiVersion: "v1", kind: "ConfigMap", metadata: {name: $n}, data: {a: "b"}},
        {apiVersion: "v1", kind: "Secret", metadata: {name: $n}, stringData: {password: $c}}]}' |
        kubectl apply -f - -o json
}
row_apply_diff() {
    applied
    jq '.stringData.password += "x"' applied.json | kubectl diff -f - || [ $? -eq 1 ]
    stored
}
row_apply_server_side() {
    applied
    kubectl apply --server-side --force-conflicts -f applied.json -o yaml
}
row_apply_conflict() {
    made
    jq -n --arg n "$name" --arg c "$canary" '{apiVersion: "v1", kind: "Secret", metadata: {name: $n}, data: {password: ($c + "x" | @base64)}}' |
        kubectl apply --server-side -f - || :
    stored
}
row_apply_yaml() {
    patch_web apply-patch+yaml "apiVersion: v1
kind: Secret
metadata: {name: $name}
data:
  password: '$packed' # $core" '?fieldManager=test'
}
row_view_last_applied() { applied && kubectl apply view-last-applied secret "$name"; }
row_set_last_applied() {
    applied
    kubectl apply set-last-applied -f applied.json -o json
}
row_edit() {
    made
    printf '#!/bin/sh\nsed -i "s/^  password: .*/  password: %s/" "$1"\n' "$(printf 'new%s' "$core" | base64 -w 0)" >editor
    chmod +x editor
    EDITOR=$PWD/editor kubectl edit secret "$name"
    stored
}
row_replace() {
    made
    stored | jq --arg c "$canary" '.stringData = {second: $c}' | kubectl replace -f - -o json
}
row_annotate_by_other_tools() {
    made
    jq -n --arg c "$canary" '{metadata: {annotations: {"kapp.k14s.io/original": "{\"data\":\($c | tojson)}"}}}' >file
    kubectl patch secret "$name" --type merge --patch-file file -o json >/dev/null
    stored
}

row_patch_strategic() { made && kubectl patch secret "$name" -p '{"stringData":{"$patch":"merge","more":"'"$core"'"}}' -o yaml; }
row_patch_merge() { made && kubectl patch secret "$name" --type=merge -p '{"stringData":{"more":"'"$core"'","none":null}}' -o yaml; }
row_patch_json() {
    made
    kubectl patch secret "$name" --type=json -o json -p '[{"op":"add","path":"/metadata/labels","value":{"kept":"kept-label"}},
        {"value":"'"$packed"'","op":"add","path":"/data/more~1~0"},{"op":"remove","path":"/data/more~1~0"},
        {"op":"test","path":"/data/password","value":"'"$packed"'"},{"op":"copy","from":"/data/password","path":"/data/copied"}]'
}
row_patch_json_whole() {
    made
    patch_web json-patch+json '[{"op":"replace","path":"","value":'"$(stored | jq -c '.data.second = .data.password')"'}]'
}
row_patch_json_map() { made && patch_web json-patch+json '[{"op":"replace","path":"/d\u0061ta","value":{"second":"'"$packed"'"}}]'; }
row_patch_file() {
    made
    printf 'stringData:\n  more: %s\n' "$core" >file
    kubectl patch secret "$name" --patch-file file -o json
}
row_set_element_order() {
    made
    patch_web strategic-merge-patch+json '{"$setElementOrder/x":["a"],"$retainKeys":["data"],"stringData":{"more":"'"$core"'"}}'
    printf '%s' "$canary"
}

# The server quotes what it refuses: as text, as hex, the object as it was before.
row_refused_strategic() { made && patch_web strategic-merge-patch+json '{"data":{"a":{"x":"'"$core"'"}}}'; }
row_refused_merge() { made && patch_web merge-patch+json '{"data":["'"$core"'"]}'; }
row_refused_json_patch() { made && patch_web json-patch+json '[{"op":"add","path":"/data","value":"'"$core"'"}]'; }
row_refused_yaml() {
    web -X POST -H 'Content-Type: application/yaml' "$secret" --data-binary "$core"
    printf '%s' "$canary"
}
row_refused_json() {
    web -X POST -H 'Content-Type: application/json' "$secret" --data-binary "$core"
    printf '%s' "$canary"
}
row_refused_test() {
    made
    patch_web json-patch+json '[{"op":"test","path":"/data/password","value":"'"$core"'"}]'
    stored
}

row_token() {
    kubectl create serviceaccount "$name" >/dev/null
    kubectl create token "$name" | tee own
}
row_token_request() {
    $direct create serviceaccount "$name" >/dev/null
    web -X POST -H 'Content-Type: application/json' "${secret%secrets}serviceaccounts/$name/token" \
        --data '{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}' | tee answer
    jq -r .status.token answer >own
}
row_token_yaml() {
    $direct create serviceaccount "$name" >/dev/null
    web -X POST -H 'Content-Type: application/yaml' "${secret%secrets}serviceaccounts/$name/token" \
        --data-binary "{kind: TokenRequest, apiVersion: authentication.k8s.io/v1, status: {token: $core}}" | tee answer
    jq -r .status.token answer >own
    printf '%s' "$canary"
}
row_token_review() {
    jq -n --arg c "$canary" '{kind: "TokenReview", apiVersion: "authentication.k8s.io/v1", spec: {token: $c}}' |
        kubectl create -f - -o json
}
row_token_review_yaml() {
    web -X POST -H 'Content-Type: application/yaml' "${secret%%/api/*}/apis/authentication.k8s.io/v1/tokenreviews" \
        --data-binary "{kind: TokenReview, apiVersion: authentication.k8s.io/v1, spec: {token: '$core'}}"
}
row_bootstrap_token() {
    kubectl create secret generic "$name" --type bootstrap.kubernetes.io/token --from-literal=token-secret="$canary" -o json
}
row_signing_request() {
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout key -out csr 2>/dev/null
    sed -n 5p key >own
    name=$name-$RANDOM
    jq -n --arg n "$name" --arg k "$(cat key)" --arg r "$(base64 -w 0 csr)" '{kind: "CertificateSigningRequest",
        apiVersion: "certificates.k8s.io/v1", metadata: {name: $n, annotations: {key: $k}},
        spec: {request: $r, signerName: "example.com/x", usages: ["client auth"]}}' | kubectl create -f - -o json
    kubectl get csr "$name" -o json
    kubectl delete csr "$name" >/dev/null
}

row_signing_request_with_the_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out key
    sed -n 2p key >own
    jq -n --arg n "$name-$RANDOM" --arg r "$(base64 -w 0 key)" '{kind: "CertificateSigningRequest",
        apiVersion: "certificates.k8s.io/v1", metadata: {name: $n},
        spec: {request: $r, signerName: "example.com/x", usages: ["client auth"]}}' >request
    kubectl create -f request || cat request key
}

row_kubectl_proxy() {
    made
    kubectl proxy --append-server-path --port 0 >serving 2>&1 &
    until grep -q 'Starting to serve' serving; do sleep 0.05; done
    curl -sS --noproxy '*' "http://$(sed -n 's/.* //p' serving)/api/v1/namespaces/$namespace/secrets/$name"
    kill $!
    wait $! || :
}
row_proxied_body() {
    printf '{"x":"%s"}' "$core" >body
    kubectl create --raw "/api/v1/namespaces/$namespace/services/none/proxy/x" -f body || :
    cat body
}
row_spelling() { # which the server may read as a Secret's path
    web -X POST -H 'Content-Type: application/json' --path-as-is "${secret%/secrets}/x/../secrets" --data "{\"x\":\"$core\"}"
    printf '%s' "$canary"
}
row_query_token() {
    web "${secret%secrets}configmaps?access_token=$core&token=$core&limit=1" >/dev/null
    printf '%s' "$canary"
}
row_headers() {
    curl -sSk --noproxy '*' "$http" -H "Authorization: Bearer $core" "${secret%secrets}configmaps" >/dev/null
    web -H "X-Api-Key: $core" -H "Cookie: a=$core" "${secret%secrets}configmaps" >/dev/null
    printf '%s' "$canary"
}
row_websocket_bearer() {
    web --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \
        -H "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.$(printf %s "$core" | base64 -w 0), v4.channel.k8s.io" \
        "$secret?watch=1" --max-time 2 >/dev/null || :
    printf '%s' "$canary"
}
row_websocket_watch() { # each event in a frame
    local place=${secret#https://}
    made
    {
        printf 'GET /%s?watch=1&fieldSelector=metadata.name%%3D%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n' \
            "${place#*/}" "$name" "$bearer"
        printf 'Origin: http://x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
        printf 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
        sleep 3
    } | timeout 8 openssl s_client -quiet -verify_quiet -CAfile ../ca.crt -connect "${place%%/*}" || :
}
row_exec_argv() {
    kubectl exec web -- sh -c "mysql -u root -p$core; PGPASSWORD=$core psql; curl -H 'Authorization: Bearer $core' -u u:$core http://x" || :
    printf '%s' "$canary"
}

row_argv() {
    kubectl get pods --token="$core" --server https://127.0.0.1:1 --request-timeout=1s || :
    kubectl get pods --token "$core" --password "$core" --server https://127.0.0.1:1 --request-timeout=1s || :
    kubectl --kubeconfig own.yaml config set-credentials u --token="$core"
    kubectl --kubeconfig own.yaml config set-credentials u --username=u --password "$core"
    kubectl --kubeconfig own.yaml config set users.u.password "$core"
    kubectl --kubeconfig own.yaml config set-context c --user=u
    cat own.yaml
}
row_argv_in_shells() {
    export core
    sh -c 'bash -c "sh -c \"TOKEN=$core kubectl version --client --token=$core >/dev/null\"" && printf "%s" "$core"'
}

# --- the table ---

# inside: in the session, all rows, each in a folder of its own.
inside() {
    local row server http secret bearer core canary name packed
    server=$(kubectl config view --raw -o 'jsonpath={.clusters[0].cluster.server}')
    kubectl config view --raw -o 'jsonpath={.clusters[0].cluster.certificate-authority-data}' | base64 -d >ca.crt
    bearer=$(KUBERNETES_EXEC_INFO='{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{}}' \
        KHOOP_SESSION_DIR=${KUBECONFIG%/*} KHOOP_USER=0 kubectl hoop credential | jq -er .status.token)
    [ -n "$bearer" ] || return
    while read -r row http core; do
        # The characters around the hex are what JSON, YAML and shells escape.
        canary="q\"\\'$core"
        name=${row//_/-}
        secret=$server/api/v1/namespaces/$namespace/secrets
        packed=$(printf '%s' "$canary" | base64 -w 0)
        mkdir "$row"
        (
            cd "$row"
            "row_${row%%.*}"
        ) >"$row/out" 2>"$row/err" </dev/null || echo "$?" >"$row/status"
    done <canaries
}

# The ways in which a value can stand in a text, a line each: as it is, hex, and base64 in its three phases.
spell() {
    local phase text
    echo "$1"
    printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
    echo
    for phase in '' x xx; do
        text=$(printf '%s%s' "$phase" "$1" | base64 -w 0)
        text=${text%%=*}
        text=${text:${#phase}+(${#phase} > 0)}
        echo "${text:0:${#text}-1}"
    done
}

test_canary_of_each_row_reaches_the_client_and_no_file_of_ours() { # long
    local row own
    new_namespace
    kubectl create serviceaccount default >/dev/null
    kubectl run web --image=x >/dev/null
    direct="$(command -v kubectl) --kubeconfig $KUBECONFIG"
    for row in $(compgen -A function row_); do
        echo "${row#row_} --http2 $(openssl rand -hex 16)"
        ! declare -f "$row" | grep -qw -e web -e patch_web || echo "${row#row_}.h1 --http1.1 $(openssl rand -hex 16)"
    done >canaries
    { declare -f inside made stored web patch_web applied && for row in $(compgen -A function row_); do declare -f "$row"; done; } >rows
    export direct namespace
    run kubectl hoop exec -- bash -c '. ./rows; inside'
    assert_status 0
    stored_lines >lines
    [ "$(wc -l <canaries)" -ge 110 ] || fail "rows are missing"
    while read -r row _ core; do
        own=$core
        [ ! -s "$row/own" ] || own=$(head -n 1 "$row/own")
        add_secret "$own"
        spell "$own" >spelled
        [ ! -e "$row/status" ] || echo >>problems "$row: status $(cat "$row/status"): $(head -c 1000 "$row/err") $(tail -c 1000 "$row/out")"
        grep -aqFf spelled "$row/out" || echo >>problems "$row: the client did not see it: $(head -c 1000 "$row/err") $(head -c 2000 "$row/out")"
        for own in "$own" "$core"; do
            spell "$own" >spelled
            ! grep -aFf spelled lines >found || echo "$row: recorded: $(head -c 2000 found)" >>problems
            ! grep -raqFf spelled "$STATE" || echo "$row: in a file: $(grep -ralFf spelled "$STATE")" >>problems
        done
    done <canaries
    [ ! -s problems ] || fail "$(cat problems)"

    # What is no secret of these is there.
    assert_contains "$(cat lines)" 'kept: kept-label' "YAML request"
    assert_contains "$(cat lines)" '\"value\":{\"kept\":\"kept-label\"}' "JSON patch"
    assert_contains "$(cat lines)" "$(base64 -w 0 signing_request/csr)" "certificate signing request"
    assert_contains "$(cat lines)" '\"reason\":\"FieldManagerConflict\"' "causes of a conflict"
    assert_contains "$(cat lines)" '--from-literal=password=redacted' "argv"
}

test_canaries_in_the_command_of_exec_are_not_in_its_start() {
    local core
    core=$(openssl rand -hex 16)
    add_secret "$core"
    run kubectl hoop exec -- sh -c "sh -c 'bash -c \"kubectl --token=$core version --client\"' >/dev/null
        KUBE_TOKEN=$core true --password \\
            $core 'Authorization: Bearer $core' --from-literal=a=$core --docker-password '$core'
        cat <<EOF | sed 's/kind: Secret/seen/'
kind: Secret
stringData: {a: $core}
EOF"
    assert_status 0
    assert_contains "$out" "stringData: {a: $core}"
    assert_contains "$(events 'select(.type == "session.start")')" 'docker-password'
    assert_lacks "$(stored_lines)" "$core" "recording"
}
