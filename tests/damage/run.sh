#!/bin/bash
# run.sh KUBECTL-HOOP MAKE VERIFY.SH - both verifiers on every recording that MAKE makes: they must give the same word
# and status, `verify` never more memory than it states, and each word must occur.
set -eu -o pipefail

hoop=$1 make=$2 script=$3
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$make" "$place"

session=01M823AJHRABCDEFGHJKMNPQRS
# The limit that verify.h states, and as much again for the program itself; a sanitizer's shadow memory has no limit.
limit=262144
if grep -q -a -F __asan_init "$hoop"; then limit=unlimited; fi

# check DIRECTORY: prints "same WORD" or "DIFFERENT ours theirs".
check() {
    local name ours=0 theirs=0 word other
    name=$(basename "$1")
    word=$(ulimit -v "$limit" && XDG_STATE_HOME=$1 "$hoop" verify --key "$1/key.pem" "$session" 2>"$1/err" | awk 'NR == 1 { print $2 }'
        exit "${PIPESTATUS[0]}") || ours=$?
    other=$("$script" "$1/key.pem" "$1/kubectl-hoop/store" "$1/kubectl-hoop/spool" 2>>"$1/err" | tail -n 1
        exit "${PIPESTATUS[0]}") || theirs=$?
    if [ "$word $ours" = "$other $theirs" ] && [ -n "$word" ]; then echo "same ${name#*-} $word"; else
        echo "DIFFERENT $name: kubectl-hoop says $word ($ours), verify.sh says $other ($theirs)"; fi
}

export -f check
export hoop script session limit
# shellcheck disable=SC2016 # for the other shell
find "$place" -mindepth 1 -maxdepth 1 -type d -print0 | sort -z |
    xargs -0 -P 2 -n 8 bash -c 'for directory; do check "$directory"; done' _ >"$place/results"

bad=$(grep -c '^DIFFERENT' "$place/results" || :)
same=$(grep -c '^same' "$place/results" || :)
grep '^DIFFERENT' "$place/results" | sort || :
sed -n 's/^same //p' "$place/results" | sort | uniq -c | awk '{ printf "  %4d  %-30s %s\n", $1, $2, $3 }'
kinds=$(sed -n 's/^same \([^ ]*\) .*/\1/p' "$place/results" | sort -u | wc -l)
echo "$same recordings in $kinds kinds:" "$(sed -n 's/^same [^ ]* //p' "$place/results" | sort | uniq -c | awk '{ printf "%s %s  ", $1, $2 }')"
for word in INTACT RECOVERED INCOMPLETE UNVERIFIABLE TRUNCATED TAMPERED; do
    grep -q " $word\$" "$place/results" || { echo "no recording is $word" && bad=$((bad + 1)); }
done
[ "$((same + bad))" -ge 200 ] || { echo "fewer than 200 recordings" && bad=$((bad + 1)); }
[ "$bad" -eq 0 ]
