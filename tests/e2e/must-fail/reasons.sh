# shellcheck shell=bash disable=SC2154 # new_secret sets a variable for us
# reasons.sh - tests that must fail, one for each thing that the harness watches. tests/e2e/harness.sh runs
# them and looks that it noticed.

test_command_failed() {
    test -e "$TEST_DIR/no-such-file"
    true
}

test_exit_status_differs() {
    run test 1 -eq 2
    assert_status 0
}

test_text_differs() {
    assert_equal expected actual
}

test_process_left_behind() {
    setsid sleep 100 >/dev/null 2>&1 &
}

test_sanitizer_reported() {
    echo 'ERROR: AddressSanitizer' >"$TEST_DIR/sanitizer.1"
}

test_secret_stored_in_base64() {
    new_secret
    mkdir -p "$STATE/store"
    printf 'ab%s.' "$secret" | base64 -w 0 | zstd -q >"$STATE/store/one.jsonl.zst"
}

test_secret_stored_in_open_segment() {
    new_secret
    mkdir -p "$STATE/spool"
    # Cut in its last block, as after a crash.
    { echo "{\"text\":\"$secret\"}" && seq 100000; } | zstd -q >"$STATE/spool/one.jsonl.zst.part"
    truncate -s -10 "$STATE/spool/one.jsonl.zst.part"
}
