#!/bin/sh
# completion.sh BINARY MAKE_RECORDINGS - what is offered for each word, and that bash, zsh and fish put it on the line.
set -u
hoop=$1 make_recordings=$2
tests=$(cd "$(dirname "$0")" && pwd)
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
export XDG_STATE_HOME="$here" XDG_CONFIG_HOME="$here/config" HOME="$here" KUBECONFIG="$here/kubeconfig"
unset KHOOP_STORE KHOOP_CONFIG
mkdir "$here/bin" "$here/files"
ln -s "$(cd "$(dirname "$hoop")" && pwd)/kubectl-hoop" "$here/bin/kubectl-hoop"
ln -s kubectl-hoop "$here/bin/kubectl_complete-hoop"
: >"$here/files/some file"
cat >"$KUBECONFIG" <<'YAML'
contexts:
- {name: "arn:aws:eks:eu-west-1:1:cluster/prod", context: {cluster: prod, user: ana, namespace: shop}}
- {name: dev, context: {cluster: dev, user: ana, namespace: shop}}
- {name: "two words", context: {cluster: dev, user: ana, namespace: bank}}
YAML
"$make_recordings" "$here" || exit 1
tab=$(printf '\t')
failed=0

# expect PATTERN WORD…: what is offered for the last word, lines joined by |, is like PATTERN of case(1).
expect() {
    pattern=$1
    shift
    got=$("$hoop" __complete "$@" 2>&1 | tr '\n\t' '|~')
    # shellcheck disable=SC2254 # it is a pattern
    case $got in $pattern) return ;; esac
    echo "FAILED: offered for '$*'"
    echo "  expected $pattern"
    echo "  found    $got"
    failed=1
}

expect 'init~*|exec~*|version~*|help~*|:4|' ''
expect 'sessions~*|:4|' se
expect 'sessions~*|:4|' --store /x -q se
expect 'list~*|show~*|reap~*|:4|' sessions ''
expect 'show~*|:4|' sessions -o json --key=x sh
expect 'show~*|:4|' sessions -ojson sh
expect ':4|' nonsense ''
expect ':4|' version ''
expect '--output~*|--quiet~*|--help~*|:4|' version -
expect '--context~*|:4|' exec --cont
expect ':4|' verify --cont
expect 'crashed|:4|' sessions list --state c
expect 'shop|bank|:4|' sessions list -n ''
expect 'text|json|jsonl|raw|:4|' replay -o ''
expect 'json|jsonl|:4|' replay --output=js
expect ':0|' config validate ''
expect ':0|' verify --key ''
expect ':16|' sessions --store ''
# sessions, the newest first, as long as their ids need to be, or whole
expect '01M923AJHRABCDEFGHJKMNPQRS~2026-11-*Z scale ?x1b?2Jweb|01M823AJHRABCDEFGHJKMNPQRT~*|01M823AJHRABCDEFGHJKMNPQRS~*|:36|' replay 01
expect '01M823AJHRABCDEFGHJKMNPQRT~*|:36|' sessions show 01M823AJHRABCDEFGHJKMNPQRT
expect ':36|' sessions --store /nowhere show ''
expect '@last~*|@2~*|@3~*|:36|' verify @
expect '@last~*:36|' verify 01M8 @l
expect ':4|' replay 01M8 ''
# the kubeconfig
expect 'arn:aws:eks:eu-west-1:1:cluster/prod~prod|dev~dev|two words~dev|:4|' exec --context ''
expect 'shop|bank|:4|' exec -n ''
expect ':4|' exec --kubeconfig /nowhere --context ''
# what is recorded
expect 'kubectl|helm|:4|' exec -q -- ''
PATH="$here/bin:$PATH" expect 'kubectl_complete-hoop|:4|' exec -- kubectl_compl
expect ':0|' exec -- kubectl get ''
expect ':0|' exec -- ./
expect ':4|' verify -- ''
expect 'exec~*|environment~*|exit-codes~*|:4|' help e
[ "$("$here/bin/kubectl_complete-hoop" comp)" = "completion${tab}print a script that completes this command in a shell
:4" ] || { echo "FAILED: called by kubectl" && failed=1; }

# put SHELL TYPED EXPECTED: TYPED and a TAB in SHELL give the words EXPECTED, each in brackets.
put() {
    got=$("$tests/type_tab.zsh" "$1" "$here/bin" "$2")
    [ "$got" = "$3" ] && return
    echo "FAILED: in $1, '$2'"
    echo "  expected $3"
    echo "  found    $got"
    failed=1
}

for shell in bash zsh; do
    put $shell 'kubectl-hoop sess' '[kubectl-hoop][sessions]'
    put $shell 'kubectl-hoop replay --output=r' '[kubectl-hoop][replay][--output=raw]'
    put $shell 'kubectl-hoop replay -o r' '[kubectl-hoop][replay][-o][raw]'
    put $shell 'kubectl-hoop replay 01M9' '[kubectl-hoop][replay][01M923AJHRABCDEFGHJKMNPQRS]'
    put $shell 'kubectl-hoop exec --context arn' '[kubectl-hoop][exec][--context][arn:aws:eks:eu-west-1:1:cluster/prod]'
    put $shell 'kubectl-hoop exec --context=arn:aws:' '[kubectl-hoop][exec][--context=arn:aws:eks:eu-west-1:1:cluster/prod]'
    put $shell 'kubectl-hoop exec --context tw' '[kubectl-hoop][exec][--context][two words]'
    put $shell "kubectl-hoop config validate $here/files/s" "[kubectl-hoop][config][validate][$here/files/some file]"
    put $shell 'kubectl-hoop version zz' '[kubectl-hoop][version][zz]'
done

# fish answers by itself what it would offer; asked EXPECTED TYPED
asked() {
    # shellcheck disable=SC2016 # fish's
    got=$(PATH="$here/bin:$PATH" fish --no-config -c 'kubectl-hoop completion fish | source; complete -C $argv[1]' "$2" | tr '\n\t' '|~')
    [ "$got" = "$1" ] && return
    echo "FAILED: in fish, '$2'"
    echo "  expected $1"
    echo "  found    $got"
    failed=1
}

asked 'version~print the version|' 'kubectl-hoop vers'
asked '--output=raw|' 'kubectl-hoop replay --output=r'
asked 'dev~dev|' 'kubectl-hoop exec --context d'
asked '--context=dev~dev|' 'kubectl-hoop exec --context=d'
asked "$here/files/some file|" "kubectl-hoop config validate $here/files/s"
asked '' 'kubectl-hoop version z'
"$hoop" completion bash | shellcheck -s bash - || failed=1
exit $failed
