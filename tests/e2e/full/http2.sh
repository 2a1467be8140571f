# shellcheck shell=bash disable=SC2154,SC2016 # variables of lib.sh; a script for the session
# http2.sh - the gateway against h2spec, RFC 9113 and RFC 7541 case by case.

# Of 145 cases nginx fails 28, kube-apiserver 8, nghttpd 2. Of ours one: nghttp2 ignores a stream number that is lower
# than one before, in place of ending the connection.
# Some cases send a second frame that is wrong to a request that we answer at once (401, no bearer): whether it is seen
# before that answer is a matter of chance on a busy machine, so the best of three runs counts.
test_h2spec_finds_no_more_than_it_does_in_the_best() {
    local h2spec failed=145 tries
    h2spec=$("$E2E/../peers/build" h2spec 2>/dev/null)
    for tries in 1 2 3; do
        run hoop exec -q -- bash -c '
            server=$(kubectl config view --minify --raw -o "jsonpath={.clusters[0].cluster.server}")
            [[ $server =~ ^https://127\.0\.0\.1:([0-9]+)(/.*)$ ]]
            "$1" -t -k -o 10 -h 127.0.0.1 -p "${BASH_REMATCH[1]}" -P "${BASH_REMATCH[2]}/api"' - "$h2spec"
        assert_contains "$out" "145 tests,"
        failed=$(sed -n 's/^145 tests, .*, \([0-9]*\) failed$/\1/p' <<<"$out")
        [ "$failed" -gt 2 ] || return 0
        echo "run $tries: $failed cases failed"
    done
    fail "$failed cases failed: $(sed -n '/^Failures/,$p' <<<"$out")"
}
