# shellcheck shell=bash disable=SC2154 # run sets status, out, err
# completion.sh - kubectl completes 'kubectl hoop' by asking this program.

test_kubectl_offers_what_the_plugin_offers() {
    mkdir "$TEST_DIR/bin"
    ln -s "$HOOP" "$TEST_DIR/bin/kubectl_complete-hoop"
    hoop exec -q --title 'to find' -- kubectl get --raw /version >/dev/null
    export PATH=$TEST_DIR/bin:$PATH
    run kubectl __complete hoop vers
    assert_equal $'version\tprint the version\n:4' "$out" "commands"
    run kubectl __complete hoop replay --output=jsonl ''
    assert_contains "$out" 'to find' "sessions"
    assert_contains "$out" ':36' "directive"
    run kubectl __complete hoop exec --context ''
    assert_contains "$out" "$(kubectl config current-context)" "contexts"
}
