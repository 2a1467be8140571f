# shellcheck shell=bash disable=SC2154,SC2016 # new_namespace sets namespace; inner scripts
# stress.sh - 200 kubectls at once, for STRESS_MINUTES (1), and helm upgrades between them: every one gets what the API
# server has, the recording has what every one got, and the session process does not grow.

OBJECTS=50
AT_ONCE=${STRESS_AT_ONCE:-200}

# make_objects: ConfigMaps o-0, o-1, …, of 1 KB to 300 KB, each unlike any other; known/N is the answer with N.
make_objects() {
    local i bytes
    mkdir known
    for ((i = 0; i < OBJECTS; i++)); do
        bytes=$((i % 25 == 24 ? 220000 : i % 5 == 4 ? 20000 : 800 + 50 * i))
        head -c "$bytes" /dev/urandom | base64 -w 0 >data
        jq -Rnc --arg name "o-$i" --rawfile data data \
            '{apiVersion: "v1", kind: "ConfigMap", metadata: {name: $name}, data: {random: $data}}'
    done | kubectl create -f - >/dev/null
    for ((i = 0; i < OBJECTS; i++)); do
        kubectl get --raw "/api/v1/namespaces/$namespace/configmaps/o-$i" >"known/$i"
    done
}

make_chart() {
    mkdir -p chart/templates
    printf 'apiVersion: v2\nname: chart\nversion: 1.0.0\n' >chart/Chart.yaml
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {round: "{{ .Values.round }}"}\n' \
        >chart/templates/map.yaml
}

# What runs inside the session. Each kubectl leaves a line "number, hash of what it printed" in `got`.
write_load() {
    cat >load <<'END'
set -u
get() {
    printf '%s %s\n' "$1" "$(kubectl get --raw "/api/v1/namespaces/$namespace/configmaps/o-$1?stress=$1" | sha256sum)" >>got
}
end=$((SECONDS + seconds)) round=0
until [ "$SECONDS" -ge "$end" ]; do
    helm upgrade --install web chart --set "round=$round" -n "$namespace" >helm.out 2>>helm.err &&
        echo "$round" >>upgrades &
    for ((i = 0; i < at_once; i++)); do
        get "$(((i + round) % objects))" &
    done
    wait
    round=$((round + 1))
    echo "$round" >rounds
done
END
}

# watch_memory PID: a line "round, KiB resident" every half second, in `memory`.
watch_memory() {
    local kib
    while kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status" 2>/dev/null) && [ -n "$kib" ]; do
        echo "$(cat rounds 2>/dev/null || echo 0) $kib" >>memory
        sleep 0.5
    done
}

# What the recording has of each answer, byte by byte, and what came of the call: counts of good and bad ones.
compare_bodies() {
    jq -Rnc '[inputs + "\n"]' known/[0-9] known/[0-9][0-9] >known.json # each is one line
    events 'select(.type | IN("request", "body", "complete"))
        | if .type == "request" then {x: .exchange, uri: .requestURI}
          elif .type == "body" and .of == "response" then {x: .exchange, text: (.text // .latin1)}
          elif .type == "complete" then {x: .exchange, outcome}
          else empty end' | jq -n --slurpfile known known.json '
        reduce inputs as $e ({object: {}, at: {}, good: 0, bad: 0};
            ($e.x | tostring) as $x
            | if $e.uri then
                ($e.uri | capture("[?]stress=(?<n>[0-9]+)$") // null) as $found
                | if $found then .object[$x] = ($found.n | tonumber) | .at[$x] = 0 else . end
              elif .object[$x] == null then .
              elif $e.text then
                .at[$x] as $at | .object[$x] as $n
                | if $known[0][$n][$at:$at + ($e.text | length)] == $e.text
                  then .at[$x] += ($e.text | length) else .at[$x] = -1e9 end
              elif $e.outcome == "ok" and .at[$x] == ($known[0][.object[$x]] | length) then .good += 1
              else .bad += 1 end)
        | "\(.good) \(.bad)"' -r
}

test_stress() { # long
    local exec_pid pid load
    # Freed memory that is kept to be looked at is no growth.
    export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=8
    PATH=$(dirname "$HOOP"):$(dirname "$PEER_HELM_3"):$PATH
    new_namespace
    make_objects
    make_chart
    write_load
    load='namespace=$1 seconds=$2 at_once=$3 objects=$4; . ./load'
    kubectl hoop exec -- "$BASH" -c "$load" load "$namespace" "$((${STRESS_MINUTES:-1} * 60))" "$AT_ONCE" "$OBJECTS" \
        2>exec.err &
    exec_pid=$!
    wait_until 20 session_process "$exec_pid"
    pid=$(session_process "$exec_pid")
    watch_memory "$pid" &
    wait "$exec_pid" || fail "exec ended with $?: $(tail -n 5 exec.err)"
    wait
    check_stress
}

session_process() {
    pgrep -P "$1" -f '^kubectl-hoop session-process$'
}

check_stress() {
    local calls upgrades good bad early late
    calls=$(wc -l <got)
    upgrades=$(wc -l <upgrades)
    assert_equal '' "$(cat helm.err)" "what helm had to say"
    assert_equal "$(cat rounds)" "$upgrades" "helm upgrades"
    assert_equal "$(cd known && sha256sum -- * | awk '{ print $2, $1 }' | sort)" \
        "$(awk '{ print $1, $2 }' got | sort -u)" "what each kubectl printed"
    read -r good bad < <(compare_bodies)
    assert_equal "$calls 0" "$good $bad" "answers recorded as they were"
    assert_equal "$((calls + upgrades))" "$(events 'select(.type == "command.exit" and .code == 0)' | wc -l)" "commands"
    assert_equal 0 "$(events 'select(.type == "request" and .command == null)' | wc -l)" "requests without a command"
    run kubectl hoop verify @last
    assert_status 0
    early=$(awk '$1 >= 1 { print $2 }' memory | head -n "$(($(wc -l <memory) / 3))" | sort -n | tail -n 1)
    late=$(tail -n "$(($(wc -l <memory) / 3))" memory | awk '{ print $2 }' | sort -n | tail -n 1)
    echo "$(cat rounds) rounds, $calls kubectls, $upgrades upgrades, resident ${early:-0} KiB, then $late KiB"
    tail -n 1 exec.err
    [ -z "$early" ] || [ "$late" -le $((early * 12 / 10 + 16384)) ] || fail "grew from $early to $late KiB"
}
