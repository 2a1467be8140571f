#!/bin/sh
# command_line.sh BINARY - what main.c promises about every command: one line per error with what
# to do now, the exit status for its kind, standard output for data alone.
set -u
hoop=$1
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
export XDG_STATE_HOME="$here/state" XDG_RUNTIME_DIR="$here/run" XDG_CONFIG_HOME="$here/config" HOME="$here"
unset KHOOP_STORE KHOOP_CONFIG
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
expect 0 '*KHOOP_CONFIG*' '' help environment
expect 0 '*130 *interrupted*' '' help exit-codes
expect 0 '*ship-every (default: 30m)*' '' help config
expect 0 '*hoop sessions*Commands:*reap *Flags:*' '' sessions --help
expect 0 '*hoop sessions show SESSION*--key*' '' help sessions show
expect 0 '*hoop sessions show SESSION*--key*' '' sessions -o json --help show
expect 6 '' "*no session '@last': there are none yet (fix: record one: kubectl hoop exec*" replay @last
expect 2 '' "*unknown command 'sessions shwo' (fix: did you mean 'kubectl hoop sessions show'?)" sessions shwo
expect 2 '' "*unknown command 'sessions x' (fix: 'kubectl hoop sessions --help' lists them)" sessions -o json x
expect 2 '' "*--state: unknown value 'runing' (fix: use one of: running, crashed, uploading, *" sessions --state runing
expect 2 '' '*unknown flag: --key*' sessions list --key x
expect 2 '' "kubectl-hoop: unknown command 'nonsense' (fix: 'kubectl hoop --help' lists them)" nonsense
expect 2 '' "*unknown command 'verfiy'*did you mean 'kubectl hoop verify'?)" verfiy
expect 2 '' '*unknown flag: --outptu*did you mean --output?)' version --outptu=json
expect 2 '' "*unknown value 'yaml' (fix: use one of: text, json)" version -o yaml
expect 2 '' '*--context needs a value' exec --context
expect 2 '' '*--context means nothing to this command (fix: leave it out)' version --context x
expect 2 '' "*one argument too many: 'x'*" version x
expect 2 '' '*unknown flag: --frobnicate (fix: see --help)' --frobnicate version
expect 2 '' "*unknown flag: --frobnicate (fix: see --help; what belongs to the recorded command goes behind '--')" exec --frobnicate
expect 0 'kubectl-hoop *recording format 1*' '' version
expect 0 'kubectl-hoop *' '' -q version -q
expect 0 '{"apiVersion":"kubectl-hoop/v1","kind":"Version",*"libraries":{*"zstd":*}}' '' version -o json
# what drives a terminal is escaped, and an error stays one line
expect 2 '' "kubectl-hoop: unknown command '\\\\x1b\[2J\\\\x0aline'*" "$(printf '\033[2J\nline')"

# the configuration: every problem with its place; what is used, and where it comes from
config="$XDG_CONFIG_HOME/kubectl-hoop/config.yaml"
expect 0 "*$config: not there" '' config validate
expect 0 '*durability *normal *default*' '' config view
mkdir -p "$XDG_CONFIG_HOME/kubectl-hoop"
printf 'stor: /x\ndurability: [strict]\npolicy: x\nship-every: 90\n' >"$config"
expect 2 "*config.yaml:1:1: unknown key 'stor' (fix: did you mean 'store'?)*:2:13: durability: a list*:3:1: 'policy' is not in this release*:4:13: ship-every: '90' is no time*" '' config validate
expect 2 '' "kubectl-hoop: $config:1:1: unknown key 'stor' (fix: did you mean 'store'?; kubectl hoop config validate shows 3 more)" sessions
expect 78 '' "*config.yaml:1:1: unknown key*" exec -- touch "$here/ran"
expect 0 'kubectl-hoop *' '' version
printf 'store: ~/chosen\ndurability: strict # sure\n' >"$config"
expect 0 "*config.yaml: fine, 2 keys set" '' config validate
expect 0 "*store *$here/chosen *config.yaml:1*durability *strict *config.yaml:2*ship-every *30m *default*" '' config view
expect 7 '' "*$here/chosen*" sessions
expect 0 '*"store","value":"/flag","from":"--store"*' '' config view -o json --store /flag
KHOOP_STORE=/variable expect 0 '*"store","value":"/variable","from":"KHOOP_STORE"*' '' config view -o json
HOME='' expect 2 '' "*store: '~/chosen', and HOME is not set (fix: set HOME, or write the path in full)" config view
printf 'durability: strikt\n' >"$here/other.yaml"
expect 2 "$here/other.yaml:1:13: durability: unknown value 'strikt' (fix: use one of: normal, strict)" '' config validate "$here/other.yaml"
expect 2 '' "*other.yaml:1:13: *" config view --config "$here/other.yaml"
KHOOP_CONFIG="$here/other.yaml" expect 2 '' "*other.yaml:1:13: *" config view
expect 2 '' "*$here/none: there is no such file (fix: *" config view --config "$here/none"
expect 2 "$here/none: not there" '' config validate "$here/none"
if [ "$(id -u)" -eq 0 ]; then # only root can give a file away, and may read it then
    chown 65534 "$config"
    expect 2 '' "*$config belongs to another user (fix: *" sessions
    chown 0 "$config"
fi
chmod o+w "$config"
expect 2 '' "*$config: everybody may write it (fix: chmod o-w $config)" sessions
expect 2 '*' "*$config: everybody may write it (fix: *" config validate
rm "$config"
[ ! -e "$here/ran" ] || failed=1

# init makes what is missing, keeps what is there, and says which
state="$XDG_STATE_HOME/kubectl-hoop"
expect 0 "made  $config *
made  $state/keys/root.pem *
made  $state/keys/fingerprint.key *
made  $state/trust/loopback-*.pem *
made  $state/store *
next: kubectl hoop exec -- *" '' init
cp -r "$here" "$here.kept"
expect 0 "kept  *
kept  *
kept  *
kept  $state/trust/*
kept  *
next: *" '' init
rm "$here/out" "$here/err" "$here.kept/out" "$here.kept/err"
diff -r "$here" "$here.kept" || failed=1
rm -r "$here.kept"
expect 0 "*config.yaml: fine, 0 keys set" '' config validate
sed 's/^#\([a-z-]*: .\)/\1/' "$config" >"$here/active.yaml"
expect 0 "*active.yaml: fine, 4 keys set" '' config validate "$here/active.yaml"
expect 2 '' "*config.yaml is there, and has no store in it (fix: write 'store: $here/s' there)" init --store "$here/s"
expect 0 "made  $here/new.yaml *made  $here/it's: a store *" '' init --config "$here/new.yaml" --store "$here/it's: a store"
expect 0 "*store *$here/it's: a store *" '' config view --config "$here/new.yaml"
expect 0 "kept  $here/new.yaml *" '' init --config "$here/new.yaml" --store "$here/it's: a store"
expect 2 '' '*--store: *relative*no absolute path*' init --config "$here/none.yaml" --store relative
expect 5 '' '*/proc/nowhere*(fix: name a file that you can write *' init --config /proc/nowhere/config.yaml
expect 5 '*' '*/proc/nowhere*(fix: choose a directory *' init --config "$here/none.yaml" --store /proc/nowhere/x
printf 'durability: x\n' >"$config"
expect 2 '' "*config.yaml:1:13: *" init
rm "$config"

"$hoop" version >/dev/full 2>"$here/err"
if [ $? != 1 ] || ! grep -q 'write to standard output: No space left on device' "$here/err"; then
    echo "FAILED: a full standard output"
    failed=1
fi
exit $failed
