# shellcheck shell=bash disable=SC2154,SC2016 # variables of lib.sh; a script for the session
# strict.sh - requests that could be read in two ways, sent by hand: refused, closed upon, and in the record.

test_request_that_means_two_things_is_refused_and_recorded() {
    run hoop exec -q -- bash -c '
        server=$(kubectl config view --raw --minify -o "jsonpath={.clusters[0].cluster.server}")
        bearer=$(KUBERNETES_EXEC_INFO="{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"spec\":{}}" \
            KHOOP_SESSION_DIR=${KUBECONFIG%/*} KHOOP_USER=0 kubectl hoop credential | jq -er .status.token)
        place=${server#https://}
        # The status lines of all answers until the gateway closes.
        send() {
            printf "$1 /${place#*/}$2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $bearer\r\n$3" |
                timeout 10 openssl s_client -quiet -verify_quiet -ign_eof -connect "${place%%/*}" 2>/dev/null |
                grep -ao "^HTTP/1.1 [0-9]*"
        }
        next="GET /${place#*/}/smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $bearer\r\n\r\n"
        send POST /two-lengths "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$next"
        send GET /connection "Connection: authorization\r\n\r\n$next"
        send POST /chunk "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n$next"
        send GET /fold "X: y\r\n z\r\n\r\n$next"'
    assert_status 0
    assert_equal $'HTTP/1.1 400\nHTTP/1.1 400\nHTTP/1.1 400\nHTTP/1.1 400' "$out"
    run hoop replay @last
    assert_status 0
    for path in /two-lengths /connection /chunk /fold; do
        assert_contains "$out" "$path"
    done
    assert_equal 4 "$(grep -c 'refused by the gateway, forwarded: none' <<<"$out")" "calls that were refused"
    assert_contains "$out" ' 4 requests' "nothing behind them was read"
}
