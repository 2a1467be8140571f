#!/bin/bash
# limits.sh - docs/limits.md says of each limit what the code says.
set -eu -o pipefail

cd "$(dirname "$0")/../.."

# The value of a C constant expression in which casts and shifts stand.
value_of() {
    echo $(($(sed -E 's/\((u?int64_t|size_t)\)//g; s/([0-9])[uUlL]+/\1/g' <<<"$1")))
}

# The numbers that TEXT may stand for: of milli- and microseconds too.
spellings() {
    local number=${1%% *} unit=${1#* }
    case $unit in
    KiB) echo $((number << 10)) ;;
    MiB) echo $((number << 20)) ;;
    GiB) echo $((number << 30)) ;;
    s) echo "$((number * 1000)) $((number * 1000000))" ;;
    ms) echo "$number $((number * 1000))" ;;
    *) echo "${number#2^}" ;;
    esac
}

rows=0
failed=0
while IFS='|' read -r _ what value _ name _; do
    name=$(tr -d ' `' <<<"$name")
    [[ $name =~ ^[A-Z][A-Z0-9_]+$ ]] || continue
    value=$(sed 's/^ *//; s/ *$//' <<<"$value")
    rows=$((rows + 1))
    found=no
    while IFS= read -r expression; do
        for number in $(spellings "$value"); do
            [ "$(value_of "$expression")" != "$number" ] || found=yes
        done
    done < <(grep -rhoP "^#define $name \K[^/]*" lib cmd plugins)
    if [ "$found" = no ]; then
        echo "limits.sh: docs/limits.md says $value of$what, and $name is something else" >&2
        failed=1
    fi
done <docs/limits.md
[ "$rows" -ge 30 ] || { echo "limits.sh: only $rows rows were found" >&2; exit 1; }
exit "$failed"
