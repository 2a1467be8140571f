# shellcheck shell=bash
# steps.sh - long steps with progress, sourced by the scripts that people wait for.
#
# On a terminal the running step counts its seconds in place; elsewhere it says every 30 s that it is
# still at work. Everything goes to stderr, so that stdout stays data.

# steps_note TEXT...: one line of progress.
steps_note() {
    printf '%s\n' "$*" >&2
}

# steps_run TEXT LOG CMD...: runs CMD with its output in LOG, prints TEXT and how long it took.
# Fails as CMD does, after the last lines of LOG. CMD runs where `set -e` has no effect: give it
# a program, or a function that chains with &&.
steps_run() {
    local text=$1 log=$2 start=$SECONDS status=0 ticker
    shift 2
    steps_tick "$text" "$start" &
    ticker=$!
    "$@" >"$log" 2>&1 </dev/null || status=$?
    kill "$ticker" 2>/dev/null
    wait "$ticker" 2>/dev/null
    [ ! -t 2 ] || printf '\r\033[K' >&2
    if [ "$status" -ne 0 ]; then
        steps_note "  FAILED $text ($((SECONDS - start)) s, status $status); the end of $log:"
        tail -n "${STEPS_TAIL:-25}" "$log" | sed 's/^/    | /' >&2
        return "$status"
    fi
    steps_note "  done   $text ($((SECONDS - start)) s)"
}

# The ticker. It watches its parent, because a background job of a script does not get Ctrl-C.
steps_tick() {
    local text=$1 start=$2 spent
    trap 'exit 0' TERM
    while kill -0 "$$" 2>/dev/null; do
        spent=$((SECONDS - start))
        if [ -t 2 ]; then
            printf '\r\033[K  ...    %s (%d s)' "$text" "$spent" >&2
        elif [ "$spent" -gt 0 ] && [ $((spent % 30)) -eq 0 ]; then
            printf '  ...    %s (%d s)\n' "$text" "$spent" >&2
        fi
        sleep 1 &
        wait $!
    done
}
