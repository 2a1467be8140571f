# shellcheck shell=bash disable=SC2154 # run, new_namespace set variables for us
# kubectl_plain.sh - everyday kubectl commands: nobody can tell that they are recorded, and the recording
# has every one of them with its requests.

# Runs the scenario in a fresh namespace called PREFIX-NAME, under CMD... if there is one. Results are in the
# folder NAME. Namespaces have names of one length, so that columns are as wide.
run_scenario() {
    local name=$1
    shift
    kubectl create namespace "$prefix-$name" >/dev/null
    kubectl config set-context --current --namespace "$prefix-$name" >/dev/null
    mkdir "$name"
    audit_begin=$(stat -c %s "$PEER_AUDIT_LOG")
    "$@" "$BASH" "$E2E/scenario/kubectl_plain" "$TEST_DIR/$name"
}

# Puts what two runs on one server always have differently out of the way: the names of namespace and
# folder, moments and ages. What else differs between two runs without a recording is left to `compare`.
neutral() {
    sed -E -e "s/$prefix-$1/NAMESPACE/g" -e "s#$TEST_DIR/$1#DIR#g" -e 's#/tmp/[A-Z]+-[0-9]+#/tmp/DIFF#g' \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9.]+( ?[-+Z][0-9:]*)?/MOMENT/g' \
        -e 's/(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]+ [-+][0-9]{4}/MOMENT/g' \
        -e 's/(^|[[:space:](])([0-9]+[hms])+([[:space:])]|$)/\1AGE\3/g' "$1/$2" |
        sed -E 's/[[:space:]]*AGE[[:space:]]*/ AGE /g'
}

# compare FILE: FILE of the run `rec` equals that of `one`, in all that is equal in `one` and `two`. Where a
# word differs between those two (a uid, a resourceVersion), any word will do.
compare() {
    local name
    for name in one two rec; do
        neutral "$name" "$1" >"$TEST_DIR/$name.neutral"
    done
    awk '
        function words(line, into) { return split(line, into, /[ \t",=:\/{}()\[\]]+/) }
        FILENAME ~ /one/ { one[FNR] = $0; ones = FNR; next }
        FILENAME ~ /two/ { two[FNR] = $0; next }
        { recs = FNR }
        $0 == one[FNR] { next }
        {
            n = words($0, r); same = n == words(one[FNR], a) && n == words(two[FNR], b)
            for (i = 1; same && i <= n; i++)
                if (a[i] == b[i] && r[i] != a[i]) same = 0
            if (!same) { print "line " FNR ":\n< " one[FNR] "\n> " $0; bad = 1 }
        }
        END { if (ones != recs) { print ones " lines without, " recs " lines with"; bad = 1 } exit bad }
    ' "$TEST_DIR/one.neutral" "$TEST_DIR/two.neutral" "$TEST_DIR/rec.neutral"
}

# Every command is in the recording, in order, with its status, and each made requests, except those that
# ask no server.
check_commands() {
    local at status
    events 'select(.type == "command.start") | .argv' >commands
    assert_same_file rec/argv commands "commands in the recording"
    events '.' | jq -rs '
        (map(select(.type == "command.exit")) | INDEX(.command)) as $exits
        | (map(select(.type == "request")) | group_by(.command) | map({key: .[0].command, value: length})
            | from_entries) as $requests
        | .[] | select(.type == "command.start")
        | [$exits[.command].code // "none", $requests[.command] // 0] | join(" ")' >outcomes
    for at in rec/*.status; do
        status=$(cat "$at")
        echo "$status"
    done | assert_same_file - <(cut -d ' ' -f 1 outcomes) "exit codes in the recording"
    assert_equal '["kubectl","version","--client"]' "$(paste -d ' ' outcomes commands |
        sed -n 's/^[0-9]* 0 //p')" "commands without a request"
}

# new_user NAME: the current context's user is an administrator called NAME from here on, so that the cluster's
# audit log tells our requests from those of others.
new_user() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=system:masters/CN=$1" \
        -keyout user.key -out user.csr 2>openssl.log
    openssl x509 -req -days 1 -in user.csr -CA "$PEER_DIR/ca.crt" -CAkey "$PEER_DIR/ca.key" \
        -set_serial "$RANDOM$RANDOM" -out user.crt 2>>openssl.log
    kubectl config set-credentials "$1" --client-certificate user.crt --client-key user.key \
        --embed-certs >/dev/null
    kubectl config set-context --current --user "$1" >/dev/null
}

# The id under which the cluster's audit log must have the request whose recorded line is on stdin, with
# its line feed: the first half of its SHA-256, marked as a UUID of version 8.
audit_id() {
    sha256sum | sed -E 's/^(.{8})(.{4}).(.{3})(.)(.{3})(.{12}).*/\1 \2 8\3 \4 \5 \6/' | {
        read -r a b c d e f
        printf '%s-%s-%s-%x%s-%s\n' "$a" "$b" "$c" $((0x$d & 3 | 8)) "$e" "$f"
    }
}

# What the cluster saw of kubectl meanwhile is what the recording has: no more, no less.
check_against_audit_log() {
    local line
    stored_lines | grep '"type":"request"' | while IFS= read -r line; do
        printf '%s\n' "$line" | audit_id
    done | sort >ids-recorded
    tail -c "+$((audit_begin + 1))" "$PEER_AUDIT_LOG" |
        jq -r --arg user "$prefix" 'select(.user.username == $user) | .auditID' | sort -u >ids-seen
    assert_same_file ids-recorded ids-seen "audit ids, recorded and seen by the cluster,"
    echo "$(wc -l <ids-seen) requests, all recorded before the cluster saw them"
}

test_kubectl_is_the_same_when_recorded() { # long
    local status_file part base bad=0 total=0 prefix
    prefix=plain-$(printf %08d "$$")
    new_user "$prefix"
    run_scenario one
    run_scenario two
    run_scenario rec kubectl hoop exec --title "everyday use" --
    for status_file in one/*.status; do
        base=$(basename "$status_file" .status)
        total=$((total + 1))
        for part in status out err; do
            if ! compare "$base.$part" >"$TEST_DIR/difference"; then
                bad=$((bad + 1))
                echo "$part differs: $(sed -n "$((10#$base))p" rec/argv)"
                head -n 12 "$TEST_DIR/difference"
            fi
        done
    done
    echo "$total commands compared"
    [ "$total" -gt 70 ] || fail "only $total commands ran"
    [ "$bad" -eq 0 ] || fail "$bad outputs differ"
    check_commands
    check_against_audit_log
}
