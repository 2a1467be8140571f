# shellcheck shell=bash disable=SC2154 # run and plain_build set variables
# disk_full.sh - no room for the recording: nothing is forwarded, one sentence says why, and work goes on when there is
# room again, without a restart. P1, P3, P5 on a real file system.

small_disk() {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to mount a small file system"
    mkdir -p "$XDG_STATE_HOME"
    mount -t tmpfs -o size=3m none "$XDG_STATE_HOME" || skip "cannot mount a tmpfs here"
    # shellcheck disable=SC2064
    trap "umount -l '$XDG_STATE_HOME'" EXIT
}

cat_script() {
    cat >"$TEST_DIR/script" <<'END'
set -u
kubectl get --raw /version >/dev/null && echo before: ok
dd if=/dev/zero of="$XDG_STATE_HOME/filler" bs=4k status=none 2>/dev/null
for i in 1 2 3; do
    kubectl create configmap "full-$i" --from-literal=text="$(openssl rand -base64 12000)" >>"$TEST_DIR/full.out" 2>>"$TEST_DIR/full.err"
    echo "full: $?"
done
rm "$XDG_STATE_HOME/filler"
sleep 3
kubectl create configmap after && echo after: ok
END
}

test_full_disk_refuses_and_recovers() {
    small_disk
    new_namespace
    cat_script
    run hoop exec -- sh "$TEST_DIR/script"
    assert_status 0
    assert_contains "$out" 'before: ok'
    assert_contains "$out" 'after: ok'
    # Each was refused, by the shim before it began (75) or by the gateway (1), and said so in one sentence.
    assert_lacks "$out" 'full: 0'
    assert_contains "$(cat "$TEST_DIR/full.err")" 'No space left on device'
    [ "$(sort -u "$TEST_DIR/full.err" | wc -l)" -le 2 ] || fail "not one sentence: $(cat "$TEST_DIR/full.err")"
    # Nothing was forwarded.
    assert_equal after "$(kubectl get configmaps -o name | sed 's,.*/,,' | grep -v kube-root)"
    run hoop verify @last
    assert_status 8
    assert_contains "$out" INCOMPLETE
    [ -n "$(events 'select(.type == "gap")')" ] || fail "no gap is recorded"
}

# The reserve pays for the last lines: the session is closed, although there was never room again.
test_full_disk_at_the_end_is_told() {
    small_disk
    new_namespace
    cat >"$TEST_DIR/script" <<'END'
kubectl create configmap before
dd if=/dev/zero of="$XDG_STATE_HOME/filler" bs=4k status=none 2>/dev/null
kubectl create configmap full --from-literal=text="$(openssl rand -base64 12000)"
kubectl create configmap full --from-literal=text="$(openssl rand -base64 12000)"
exit 3
END
    run hoop exec -- sh "$TEST_DIR/script"
    assert_status 3
    assert_equal before "$(kubectl get configmaps -o name | sed 's,.*/,,' | grep -v kube-root)"
    [ -n "$(events 'select(.type == "gap")')" ] || fail "no gap is recorded"
    assert_equal end "$(events 'select(.type == "session.end").reason' -r)" "the reason of session.end"
    run hoop verify @last
    assert_status 8
    assert_contains "$out" INCOMPLETE
}

# The same in the middle of a journal, by a write and a sync that fail.
fail_once() {
    plain_build
    new_namespace
    cat >"$TEST_DIR/script" <<'END'
for i in 1 2 3 4 5 6 7 8; do
    kubectl create configmap "c-$i" >>"$TEST_DIR/calls.out" 2>>"$TEST_DIR/calls.err"
    echo "c-$i: $?"
    sleep 0.4
done
END
    LD_PRELOAD=$preload KHOOP_TEST_FAIL=$1 run "$plain" exec -- sh "$TEST_DIR/script"
    assert_status 0
    # Some failed; those that say they succeeded are there, and all that is there is recorded.
    [ "$(grep -c ': 0$' "$TEST_DIR/out")" -lt 8 ] || fail "no call noticed: $out"
    [ "$(grep -c ': 0$' "$TEST_DIR/out")" -gt 2 ] || fail "work did not go on: $out"
    sed -n 's/: 0$//p' "$TEST_DIR/out" | sort >"$TEST_DIR/succeeded"
    kubectl get configmaps -o name | sed -n 's,.*/\(c-\),\1,p' | sort >"$TEST_DIR/there"
    # kubectl creates by protobuf, where a name is text among bytes.
    events 'select(.type == "body" and .of == "request") | .text // .latin1' -r | grep -ao 'c-[0-9]' | sort -u >"$TEST_DIR/recorded"
    assert_equal '' "$(comm -23 "$TEST_DIR/succeeded" "$TEST_DIR/there")" "calls that said they succeeded"
    assert_equal '' "$(comm -23 "$TEST_DIR/there" "$TEST_DIR/recorded")" "objects that no record tells of"
    run hoop verify @last
    assert_status 8
    assert_contains "$out" INCOMPLETE
}

# Somebody cleans up the spool under a running session: the next call is refused, what was durable is written again, and
# work goes on.
test_deleted_segment_is_noticed_and_written_again() {
    new_namespace
    cat >"$TEST_DIR/script" <<'END'
kubectl create configmap before
rm "$XDG_STATE_HOME"/kubectl-hoop/spool/"$KHOOP_SESSION"-*.part
kubectl create configmap refused
sleep 3
kubectl create configmap after
END
    run hoop exec -- sh "$TEST_DIR/script"
    assert_status 0
    assert_contains "$err" 'No such file or directory'
    assert_equal 'after before' "$(kubectl get configmaps -o name | sed 's,.*/,,' | grep -v kube-root | sort | tr '\n' ' ' | sed 's/ $//')"
    for name in before after; do
        events 'select(.type == "command.start") | .argv | join(" ")' -r | grep -qx "kubectl create configmap $name" ||
            fail "$name is not recorded"
    done
    [ -n "$(events 'select(.type == "gap")')" ] || fail "no gap is recorded"
    run hoop verify @last
    assert_status 8
    assert_contains "$out" INCOMPLETE
}

test_failed_write_is_told_and_work_goes_on() {
    fail_once write:12:5
    assert_contains "$(cat "$TEST_DIR/calls.err")" 'Input/output error'
}

test_failed_sync_is_told_and_work_goes_on() {
    fail_once fdatasync:12:5
    assert_contains "$(cat "$TEST_DIR/calls.err")" 'Input/output error'
}

test_init_on_a_full_disk_leaves_no_half_of_a_file() {
    small_disk
    dd if=/dev/zero of="$XDG_STATE_HOME/filler" bs=4k status=none 2>/dev/null || :
    run hoop init --config "$XDG_STATE_HOME/config.yaml"
    assert_status 5
    assert_contains "$err" 'No space left on device'
    [ ! -e "$XDG_STATE_HOME/config.yaml" ] || fail "left: $(cat "$XDG_STATE_HOME/config.yaml")"
}
