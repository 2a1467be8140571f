# shellcheck shell=bash
# same.sh - runs a scenario of commands twice as it is and once recorded, and compares: what is equal in the two
# must be equal in the third, and the recording must have each command with its requests. Sourced by tests that do so.
#
# A scenario is a script of tests/e2e/scenario, built on try.sh there. It is called with a folder and a namespace
# and leaves in the folder, for each command, NNN.out, NNN.err, NNN.status, and NNN.requests, what the cluster's
# audit log had of it; and all command lines in `argv`.

# shellcheck source=tests/e2e/audit.sh
. "$E2E/audit.sh"

prefix=same-$(printf %08d "$$") # of the names of users, namespaces, and all else that belongs to no namespace

# new_certificate DIR NAME GROUP: NAME.crt and NAME.key, for a user NAME of the cluster in DIR (PEER_DIR).
new_certificate() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=$3/CN=$2" \
        -keyout "$2.key" -out "$2.csr" 2>openssl.log
    openssl x509 -req -days 1 -in "$2.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" \
        -set_serial "$RANDOM$RANDOM" -out "$2.crt" 2>>openssl.log
}

# new_user NAME: the current context's user is an administrator called NAME from here on, so that the cluster's
# audit log tells our requests from those of others.
new_user() {
    new_certificate "$PEER_DIR" "$1" system:masters
    kubectl config set-credentials "$1" --client-certificate "$1.crt" --client-key "$1.key" \
        --embed-certs >/dev/null
    kubectl config set-context --current --user "$1" >/dev/null
}

# run_scenario SCENARIO NAME CMD...: in a fresh namespace called PREFIX-NAME, under CMD... if there is one. Results
# are in the folder NAME. Namespaces have names of one length, so that columns are as wide.
run_scenario() {
    local scenario=$1 name=$2
    shift 2
    kubectl create namespace "$prefix-$name" >/dev/null
    kubectl config set-context --current --namespace "$prefix-$name" >/dev/null
    mkdir "$name"
    audit_begin=$(audit_mark)
    SCENARIO_USER=$prefix "$@" "$BASH" "$E2E/scenario/$scenario" "$TEST_DIR/$name" "$prefix-$name"
}

# compare_scenario SCENARIO: runs it three times and compares all.
compare_scenario() {
    new_user "$prefix"
    run_scenario "$1" one
    run_scenario "$1" two
    run_scenario "$1" rec kubectl hoop exec --title "$1" --
    [ ! -e rec/secrets ] || cat rec/secrets >>"$TEST_DIR/secrets"
    compare_commands
    check_commands
    check_against_audit_log
}

# Puts what two runs on one server may have differently, and equal by chance, out of the way: the names of namespace
# and folder, moments, ages, addresses of pods and services; and the server's, which is the gateway's in the recorded
# one. What else differs between two runs without a recording is left to `compare`.
neutral() {
    local age='s/(^|[[:space:](])([0-9]+[dhms])+([[:space:])]|$)/\1AGE\3/g'
    sed -E -e "s/$prefix-$1/NAMESPACE/g" -e "s#$TEST_DIR/$1#DIR#g" -e 's#/tmp/[A-Z]+-[0-9]+#/tmp/DIFF#g' \
        -e 's/\b10\.[01]\.[0-9]+\.[0-9]+\b/ADDRESS/g' -e "s#$(cat "$1/server")#SERVER#g" \
        -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9.]+( ?[-+Z][0-9:]*)?/MOMENT/g' \
        -e 's/(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? [0-9A-Z][0-9a-z]+ [0-9A-Z][0-9a-z]* [0-9: ]+([-+][0-9]{4})?/MOMENT/g' \
        -e "$age" -e "$age" "$1/$2" |
        sed -E 's/[[:space:]]*AGE[[:space:]]*/ AGE /g'
}

# compare FILE: FILE of the run `rec` equals that of `one`, in all that is equal in `one` and `two`. Where a
# word differs between those two (a uid, a resourceVersion), any word will do.
compare() {
    local name
    ! cmp -s "one/$1" "rec/$1" || return 0
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

# True if it is a matter of chance how many requests the command makes, or which are its own: what waits for
# something, and what runs beside others.
is_chance() {
    [ -e "one/$1.chance" ] || [ "$(wc -l <"one/$1.requests")" -ne "$(wc -l <"two/$1.requests")" ]
}

# compare_commands: every part of every command.
compare_commands() {
    local status_file part base bad=0 total=0 chance=0
    recorded_requests
    for status_file in one/*.status; do
        base=$(basename "$status_file" .status)
        total=$((total + 1))
        for part in status out err requests; do
            if [ "$part" = requests ] && is_chance "$base"; then
                chance=$((chance + 1))
            elif ! compare "$base.$part" >"$TEST_DIR/difference"; then
                bad=$((bad + 1))
                echo "$base, $part differs: $(sed -n "$((10#$base))p" rec/argv)"
                head -n 12 "$TEST_DIR/difference"
            fi
        done
    done
    echo "$total commands compared; of $chance the number of requests is a matter of chance"
    [ "$bad" -eq 0 ] || fail "$bad outputs differ"
}

# recorded_requests: rec/NNN.requests, as the direct runs have them from the audit log.
recorded_requests() {
    local at number=0
    events 'select(.type == "command.start") | .command' | tr -d '"' >commands
    events 'select(.type == "request") | [.command // "none", .verb, .requestURI] | @tsv' | jq -r . >requests
    while read -r command; do
        number=$((number + 1))
        at=rec/$(printf %03d "$number")
        awk -F '\t' -v command="$command" '$1 == command { print $2, $3 }' requests |
            sed "s/$prefix-rec/NAMESPACE/g" | sort >"$at.requests"
    done <commands
}

# Every command is in the recording, in order, with its status; each that asked the server without a recording has
# its requests under it, and no request stands alone.
check_commands() {
    local at
    events 'select(.type == "command.start") | .argv' >argv-recorded
    assert_same_file rec/argv argv-recorded "commands in the recording"
    events 'select(.type | IN("command.start", "command.exit"))' | jq -rs '
        (map(select(.type == "command.exit")) | INDEX(.command)) as $exits
        | .[] | select(.type == "command.start") | $exits[.command]
        | if .signal then 128 + .signal else .code // "none" end' >codes
    cat rec/*.status >statuses
    assert_same_file statuses codes "exit codes in the recording"
    for at in one/*.requests; do
        if [ -s "$at" ] && [ ! -s "rec/${at#one/}" ]; then
            fail "no request is linked to command ${at#one/}: $(sed -n "$((10#$(basename "$at" .requests)))p" rec/argv)"
        fi
    done
    assert_equal '' "$(grep '^none' requests || :)" "requests without a command"
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
    audit_since "$audit_begin" "$prefix" | jq -r .auditID | sort -u >ids-seen
    assert_same_file ids-recorded ids-seen "audit ids, recorded and seen by the cluster,"
    echo "$(wc -l <ids-seen) requests, all recorded before the cluster saw them"
}
