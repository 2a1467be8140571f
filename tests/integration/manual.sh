#!/bin/sh
# manual.sh BINARY - every command has a page, and each page has the flags of its command, all of them and no others;
# kubectl-hoop(1) has the global ones, the variables and the exit codes, kubectl-hoop-config(5) the keys.
set -u
hoop=$1
man=$(cd "$(dirname "$0")/../../man" && pwd)
failed=0

fail() {
    echo "FAILED: $*"
    failed=1
}

# section TITLE: the long flags that the help on standard input has below TITLE
section() {
    sed -n "/^$1:\$/,/^\$/s/^  .*--\\([a-z-]*\\)[= ].*/\\1/p"
}

# listed TITLE: the names that it has there
listed() {
    sed -n "/^$1\$/,/^\$/s/^  \\([a-z-]*\\)  .*/\\1/p"
}

# documented PAGE: the long flags that a page describes
documented() {
    sed -n 's/^\.It \(Fl.*\)/ \1/p' "$man/$1" | grep -o 'Fl -[a-z-]*' | sed 's/^Fl -//' | sort -u
}

# check PAGE COMMAND…: over all of its subcommands
check() {
    page=$1
    shift
    [ -e "$man/$page" ] || {
        fail "no page $page"
        return
    }
    help=$("$hoop" "$@" --help)
    for subcommand in $(echo "$help" | listed 'Commands:'); do
        help="$help

$("$hoop" "$@" "$subcommand" --help)"
    done
    own=$(echo "$help" | section Flags | sort -u)
    global=$(echo "$help" | section 'Global flags' | sort -u)
    for flag in $own; do
        documented "$page" | grep -qx -e "$flag" || fail "$page says nothing of --$flag"
    done
    for flag in $(documented "$page"); do
        printf '%s\n' "$own" "$global" | grep -qx -e "$flag" || fail "$page has a --$flag, which $* does not take"
    done
}

main=$("$hoop" --help)
commands=$(for group in SETUP RECORD GATEWAY EVIDENCE OTHER; do echo "$main" | listed $group; done)
[ "$(echo "$commands" | wc -w)" -ge 9 ] || fail "not all commands found: $commands"
for command in $commands; do
    [ "$command" = help ] || check "kubectl-hoop-$command.1" "$command"
    grep -q "^\.It Cm $command" "$man/kubectl-hoop.1" || fail "kubectl-hoop.1 does not list $command"
done
[ "$(echo "$main" | section 'Global flags' | sort -u)" = "$(documented kubectl-hoop.1)" ] ||
    fail "kubectl-hoop.1: its global flags are not those of the help"
for variable in $("$hoop" help environment | sed -n '/reads/,/^$/s/^  \([A-Z_]*\) .*/\1/p'); do
    grep -q "^\.It Ev $variable" "$man/kubectl-hoop.1" || fail "kubectl-hoop.1 says nothing of $variable"
done
for code in $("$hoop" help exit-codes | sed -n 's/^  \([0-9]*\) .*/\1/p'); do
    grep -qx "\.It $code" "$man/kubectl-hoop.1" || fail "kubectl-hoop.1 says nothing of exit status $code"
done
keys=$("$hoop" help config | sed -n 's/^  \([a-z-]*\)\( (default.*\)*$/\1/p')
[ "$keys" = "$(sed -n 's/^\.It Cm \([a-z-]*\)$/\1/p' "$man/kubectl-hoop-config.5")" ] ||
    fail "kubectl-hoop-config.5: its keys are not those of the help: $keys"
for page in "$man"/*.[15]; do
    mandoc -T lint -W error "$page" || fail "$page"
    grep -q "'${page##*/}'" "$man/meson.build" || fail "$page is not installed"
done
exit $failed
