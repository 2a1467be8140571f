# shellcheck shell=bash disable=SC2154 # run sets status, out, err
# bad_input.sh - what is wrong is said in one line, with its cause and a fix, and the right exit status.

# assert_one_line STATUS PART [PART...]: the last `run` printed one line on standard error, nothing on standard output.
assert_one_line() {
    local part
    assert_status "$1"
    shift
    assert_equal '' "$out" "standard output"
    [ "$(wc -l <"$TEST_DIR/err")" -eq 1 ] || fail "not one line: $err"
    for part; do
        assert_contains "$err" "$part" "the line"
    done
}

test_exec_without_kubeconfig() {
    KUBECONFIG=$TEST_DIR/none run hoop exec -- touch "$TEST_DIR/ran"
    assert_one_line 78 'kubeconfig' 'fix:'
    [ ! -e "$TEST_DIR/ran" ] || fail "the command ran"
}

test_exec_with_broken_kubeconfig() {
    printf 'apiVersion: v1\nclusters: [\n' >"$TEST_DIR/broken"
    KUBECONFIG=$TEST_DIR/broken run hoop exec -- true
    assert_one_line 78 "$TEST_DIR/broken:"
}

test_exec_with_unknown_context() {
    run hoop exec --context nowhere -- true
    assert_one_line 78 "nowhere" 'fix:'
}

test_exec_without_command() {
    run hoop exec
    assert_one_line 2 'fix: kubectl hoop exec -- '
}

test_exec_of_missing_program() {
    run hoop exec -q -- no-such-program
    assert_one_line 127 no-such-program
    touch "$TEST_DIR/plain"
    run hoop exec -q -- "$TEST_DIR/plain"
    assert_one_line 126 "$TEST_DIR/plain"
}

test_exec_with_unwritable_state() {
    [ "$(id -u)" -ne 0 ] || export XDG_STATE_HOME=/proc/nowhere # root may write everywhere else
    [ "$(id -u)" -eq 0 ] || { mkdir "$TEST_DIR/ro" && chmod 500 "$TEST_DIR/ro" && export XDG_STATE_HOME=$TEST_DIR/ro; }
    run hoop exec -- touch "$TEST_DIR/ran"
    assert_one_line 75 "$XDG_STATE_HOME"
    [ ! -e "$TEST_DIR/ran" ] || fail "the command ran"
}

# serve_tls CERTIFICATE KEY: a TLS server on a free port, which goes into `port`.
serve_tls() {
    local server
    openssl s_server -accept 127.0.0.1:0 -cert "$1" -key "$2" -www >"$TEST_DIR/server.log" 2>&1 </dev/null &
    server=$!
    # shellcheck disable=SC2064
    trap "kill $server" EXIT
    wait_until 10 grep -q '^ACCEPT 127' "$TEST_DIR/server.log"
    port=$(sed -n 's/^ACCEPT 127.0.0.1://p' "$TEST_DIR/server.log")
}

# point_at SERVER [CA]: the current cluster's server, and the CA that signs it.
point_at() {
    local cluster
    cluster=$(kubectl config view -o jsonpath='{.clusters[0].name}')
    kubectl config set-cluster "$cluster" --server "$1" >/dev/null
    [ $# -lt 2 ] || kubectl config set-cluster "$cluster" --certificate-authority "$2" --embed-certs >/dev/null
}

# assert_kubectl_says PART...: kubectl get through the gateway fails, and says so once, on one line of its own.
assert_kubectl_says() {
    local part
    run hoop exec -q -- kubectl get --raw /api/v1/namespaces
    assert_status 1
    for part; do
        assert_contains "$err" "$part"
    done
    [ "$(grep -c "$1" "$TEST_DIR/err")" -eq 1 ] || fail "said more than once: $err"
}

test_unreachable_server_is_one_sentence() {
    point_at https://127.0.0.1:1
    assert_kubectl_says 'refused' '127.0.0.1:1'
}

# make_certificate PATH [DAYS]: PATH.crt and PATH.key, self-signed, for 127.0.0.1; DAYS may be negative.
make_certificate() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/CN=$(basename "$1")" 2>/dev/null
    echo subjectAltName=IP:127.0.0.1 >"$1.ext"
    openssl x509 -req -in "$1.csr" -signkey "$1.key" -days "${2:-1}" -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}

test_wrong_ca_is_named() {
    make_certificate "$TEST_DIR/other"
    point_at "$(kubectl config view --raw -o jsonpath='{.clusters[0].cluster.server}')" "$TEST_DIR/other.crt"
    assert_kubectl_says 'certificate'
}

test_expired_certificate_is_named() {
    make_certificate "$TEST_DIR/old" -1
    serve_tls "$TEST_DIR/old.crt" "$TEST_DIR/old.key"
    point_at "https://127.0.0.1:$port" "$TEST_DIR/old.crt"
    assert_kubectl_says 'expired'
}

record_one() {
    hoop exec -q -- kubectl get --raw /version >/dev/null
}

test_unknown_and_ambiguous_sessions() {
    local command
    record_one
    record_one
    for command in replay verify 'sessions show'; do
        # shellcheck disable=SC2086
        run hoop $command 0000000000
        assert_one_line 6 0000000000
        # shellcheck disable=SC2086
        run hoop $command "$(find "$STATE/store" -name '*.zst' -printf '%f\n' | head -n 1 | cut -c 1-4)"
        assert_one_line 6 'fix:'
    done
}

# A stored segment of a fresh session, and the session.
one_segment() {
    record_one
    segment=$(find "$STATE/store" -name '*.jsonl.zst')
    session=$(basename "$segment" | cut -c 1-26)
}

assert_verdict() {
    run hoop verify "$session"
    assert_status "$1"
    assert_contains "$out" "$2"
}

test_damaged_segments_have_their_words() {
    one_segment
    assert_verdict 0 INTACT
    cp "$segment" "$TEST_DIR/good"

    printf '\xff' | dd of="$segment" bs=1 seek=200 conv=notrunc status=none
    assert_verdict 3 TAMPERED
    run hoop replay "$session"
    assert_status 3

    head -c 300 "$TEST_DIR/good" >"$segment"
    assert_verdict 3 TAMPERED

    cat "$TEST_DIR/good" "$TEST_DIR/good" >"$segment"
    assert_verdict 3 TAMPERED

    cp "$TEST_DIR/good" "$segment"
    cp "$segment" "${segment%-00000.jsonl.zst}-00001.jsonl.zst"
    assert_verdict 3 TAMPERED
    rm "${segment%-00000.jsonl.zst}-00001.jsonl.zst"

    head -c 1000000000 /dev/zero | zstd -q -19 -c --no-check >"$segment"
    assert_verdict 3 TAMPERED

    rm -r "$STATE/trust"
    cp "$TEST_DIR/good" "$segment"
    assert_verdict 7 UNVERIFIABLE
}
