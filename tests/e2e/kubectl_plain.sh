# shellcheck shell=bash
# kubectl_plain.sh - everyday kubectl commands: nobody can tell that they are recorded, and the recording
# has every one of them with its requests. tests/e2e/matrix has many more, on a whole cluster.

# shellcheck source=tests/e2e/same.sh
. "$E2E/same.sh"

test_kubectl_is_the_same_when_recorded() { # long
    compare_scenario kubectl_plain
}
