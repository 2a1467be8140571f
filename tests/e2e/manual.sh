# shellcheck shell=bash disable=SC2154,SC2016 # run sets variables for us; inner scripts
# manual.sh - the manual says what the program does.

test_every_event_of_a_recording_is_in_the_manual() {
    local type
    new_namespace
    run hoop exec -- sh -c 'kubectl get ns; kubectl create secret generic s --from-literal=a=abcdefgh; kubectl create serviceaccount r
        kubectl create token r; kubectl get --raw /no/such'
    for type in $(events .type -r | sort -u); do
        grep -q -E "^\.It Li (.* , )?${type//./\\.}( |$)" "$E2E/../../man/hoop-session.5" || fail "the manual has no $type"
    done
}
