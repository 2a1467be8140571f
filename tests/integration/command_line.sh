#!/bin/sh
# command_line.sh BINARY - what main.c promises about every command: one line per error with what
# to do now, the exit status for its kind, standard output for data alone.
set -u
hoop=$1
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
export XDG_STATE_HOME="$here/state" XDG_RUNTIME_DIR="$here/run" HOME="$here"
unset KHOOP_STORE
failed=0

# expect STATUS OUT ERR ARGS…: patterns of case(1); an empty one means that nothing was printed.
expect() {
    status=$1 out=$2 err=$3
    shift 3
    "$hoop" "$@" >"$here/out" 2>"$here/err"
    got=$?
    # shellcheck disable=SC2254 # they are patterns
    case $(cat "$here/out") in $out) ;; *) got="$got, standard output: $(cat "$here/out")" ;; esac
    # shellcheck disable=SC2254
    case $(cat "$here/err") in $err) ;; *) got="$got, standard error: $(cat "$here/err")" ;; esac
    [ "$got" = "$status" ] && return
    echo "FAILED: kubectl hoop $*"
    echo "  expected $status, '$out', '$err'"
    echo "  found $got"
    failed=1
}

expect 0 '*Usage:*EVIDENCE*Examples:*' ''
expect 0 '*Usage:*' '' --help
expect 0 '*Usage:*' '' help
expect 0 '*kubectl hoop version*' '' help version
expect 0 '*kubectl hoop version*' '' version --help
expect 0 '*hoop sessions*Commands:*reap *Flags:*' '' sessions --help
expect 0 '*hoop sessions show SESSION*--key*' '' help sessions show
expect 0 '*hoop sessions show SESSION*--key*' '' sessions -o json --help show
expect 2 '' "*unknown command 'sessions shwo' (fix: did you mean 'kubectl hoop sessions show'?)" sessions shwo
expect 2 '' "*unknown command 'sessions x' (fix: 'kubectl hoop sessions --help' lists them)" sessions -o json x
expect 2 '' '*unknown flag: --key*' sessions list --key x
expect 2 '' "kubectl-hoop: unknown command 'nonsense' (fix: 'kubectl hoop --help' lists them)" nonsense
expect 2 '' "*unknown command 'verfiy'*did you mean 'kubectl hoop verify'?)" verfiy
expect 2 '' '*unknown flag: --outptu*did you mean --output?)' version --outptu=json
expect 2 '' "*unknown value 'yaml' (fix: use one of: text, json)" version -o yaml
expect 2 '' '*--context needs a value' version --context
expect 2 '' "*one argument too many: 'x'*" version x
expect 2 '' '*unknown flag: --frobnicate*' --frobnicate version
expect 0 'kubectl-hoop *recording format 1*' '' version
expect 0 'kubectl-hoop *' '' --context x version -q
expect 0 '{"apiVersion":"kubectl-hoop/v1","kind":"Version",*"libraries":{*"zstd":*}}' '' version -o json
# what drives a terminal is escaped, and an error stays one line
expect 2 '' "kubectl-hoop: unknown command '\\\\x1b\[2J\\\\x0aline'*" "$(printf '\033[2J\nline')"

"$hoop" version >/dev/full 2>"$here/err"
if [ $? != 1 ] || ! grep -q 'write to standard output: No space left on device' "$here/err"; then
    echo "FAILED: a full standard output"
    failed=1
fi
exit $failed
