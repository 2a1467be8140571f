#!/bin/sh
# recordings.sh BINARY MAKE_RECORDINGS - sessions and replay over recordings that lie on disk: what
# is whole, what was changed, what has no end, what is no recording at all.
set -u
hoop=$1 make_recordings=$2
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
export XDG_STATE_HOME="$here" HOME="$here"
unset KHOOP_STORE
"$make_recordings" "$here" || exit 1
good=01M823AJHRABCDEFGHJKMNPQRS changed=01M823AJHRABCDEFGHJKMNPQRT open=01M923AJHRABCDEFGHJKMNPQRS
segments=$here/kubectl-hoop/store/v1/segments/cluster=prod/date=2026-11-22
failed=0

# expect STATUS OUT ERR ARGS…: as in command_line.sh
expect() {
    status=$1 out=$2 err=$3
    shift 3
    "$hoop" "$@" >"$here/out" 2>"$here/err"
    got=$?
    # shellcheck disable=SC2254 # they are patterns
    case $(cat "$here/out") in $out) ;; *) got="$got, standard output: $(cat "$here/out")" ;; esac
    # shellcheck disable=SC2254
    case $(cat "$here/err") in $err) ;; *) got="$got, standard error: $(cat "$here/err")" ;; esac
    if grep -q "$(printf '\033')" "$here/out" "$here/err"; then
        got="$got, and an escape byte"
    fi
    [ "$got" = "$status" ] && return
    echo "FAILED: kubectl hoop $*"
    echo "  expected $status, '$out', '$err'"
    echo "  found $got"
    failed=1
}

# the newest first; a title cannot drive the terminal
expect 0 "SESSION *TITLE
$open *ana *prod *1 *1 *crashed *scale \\\\x1b\[2Jweb
$changed *stored*
$good *1 *2 *stored*" '' sessions
expect 0 "session/$open
session/$changed
session/$good" '' sessions list -o name
expect 0 "*\"id\":\"$good\"*\"clusters\":\[\"prod\"\]*\"requests\":2*" '' sessions -o json
expect 0 "*verdict    INTACT, self-attested*counts     1 command, 2 requests, 13 events*00c0ffef *1 *sealed*" '' \
    sessions show $good
expect 0 '*TAMPERED*findings*frame 0*expected*' '' sessions show $changed
expect 0 '*"kind":"Session"*"verdict":"TAMPERED"*"findings":\[{*' '' sessions show $changed -o json

expect 0 '*verdict   INTACT, self-attested*#1   kubectl get pods *exit 0     1 request    0.31s
* GET    /api/v1/pods * 200 *15 B     41 ms*(no command) kubectl version (Kubectl-Session 5f3a)*
* ! the client went away before the end*' '' replay $good
expect 0 '*verdict   INCOMPLETE*no exit*' '' replay @last
expect 0 '*< response body, 15 B
                {
                  "items": \[
                    7,*' '' replay $good --bodies
expect 0 '*Authorization: (value not recorded)*' '' replay $good --request 2
expect 0 '\\xff\\x00\\x1bA' '' replay $good --body 1
expect 0 '{"items":\[7,8\]}' '' replay $good --body 2 -o raw
expect 0 '*"commands":\[{"number":1*"responseBody":{"bytes":15,"text":*' '' replay $good -o json --bodies
expect 0 '{"type":"session.start"*"type":"session.end"*' '' replay $good -o jsonl
expect 2 '' '*there is no request 9 in this session (fix: it has 2:*' replay $good --request 9
expect 2 '' "*--request: '0' is no number from 1 on*" replay $good --request 0
expect 2 '' '*there is no command 2 in this session*' replay $good --cmd 2
expect 2 '' '*-o raw needs --body*' replay $good -o raw
# colours as configured, unless a flag says otherwise
mkdir -p "$here/config/kubectl-hoop"
echo 'color: always' >"$here/config/kubectl-hoop/config.yaml"
coloured() {
    XDG_CONFIG_HOME=$here/config "$hoop" replay $good "$@" | grep -q "$(printf '\033')"
}
coloured || { echo "FAILED: color: always in the configuration" && failed=1; }
! coloured --color auto || { echo "FAILED: --color auto over the configuration" && failed=1; }
expect 2 '' '*only one of --cmd*' replay $good --cmd 1 --request 1
expect 2 '' '*an argument is missing*' replay
expect 6 '' "*no session 'nosuch'*" replay nosuch
expect 6 '' '*names 2 sessions*' replay 01M823

# what is damaged is not shown, and never passes for whole
expect 3 '*TAMPERED*GET    /api/v1/pods*not shown from here on*' '*is TAMPERED: only what precedes the damage*' \
    replay $changed
expect 3 '{"type":"session.start"*' '*not shown from here on*is TAMPERED*' replay $changed -o jsonl
mv "$here/kubectl-hoop/trust" "$here/trust"
expect 7 '*verdict   UNVERIFIABLE*not shown*' '*--key FILE trusts a key, --unverified shows it all the same*' replay $good
expect 7 '*UNVERIFIABLE*GET    /api/v1/pods*' '*do not rely on what is shown*' replay $good --unverified
expect 0 '*verdict   INTACT*GET    /api/v1/pods*' '' replay $good --key "$here/trust/test.pem"
mv "$here/trust" "$here/kubectl-hoop/trust"
mv "$segments/$good-00c0ffee-00000.jsonl.zst" "$here/taken-away"
expect 3 '*TRUNCATED*' '*is TRUNCATED*' replay $good
mv "$here/taken-away" "$segments/$good-00c0ffee-00000.jsonl.zst"

# one bad file hides no other session
head -c 100 /dev/urandom >"$segments/01M723AJHRABCDEFGHJKMNPQRS-00c0ffee-00000.jsonl.zst"
: >"$segments/01M623AJHRABCDEFGHJKMNPQRS-00c0ffee-00000.jsonl.zst"
expect 0 "*$good *stored*01M723AJ* damaged *01M623AJ* damaged*" '' sessions

# what crashed is sealed and stored, once
expect 0 '1 segment recovered, 1 stored' '' sessions reap $open
expect 0 '*verdict   RECOVERED, self-attested*how it ended is unknown: the gateway crashed*recovered: *' '' replay $open
expect 0 'nothing to recover' '' sessions reap

# another store: its sessions alone
cp -r "$here/kubectl-hoop/store" "$here/copy"
rm -rf "$here/kubectl-hoop/store"
expect 0 "SESSION*$good*" '' sessions --store "$here/copy"
expect 7 '' '*' sessions --store "$here/nowhere"
rm -rf "$here/kubectl-hoop"
expect 0 '' '*no sessions yet*' sessions
exit $failed
