# shellcheck shell=bash
# audit.sh - what the audit logs of the clusters have of one user: PEER_AUDIT_LOG, and OTHER_AUDIT_LOG if there is one.

# audit_mark: a moment, for audit_since.
audit_mark() {
    stat -c %s "$PEER_AUDIT_LOG" ${OTHER_AUDIT_LOG:+"$OTHER_AUDIT_LOG"} | paste -s -d ' '
}

# audit_since MARK USER: the lines since then about users whose names begin with USER.
audit_since() {
    local first=${1% *} second=${1#* }
    {
        tail -c "+$((first + 1))" "$PEER_AUDIT_LOG"
        [ -z "${OTHER_AUDIT_LOG-}" ] || tail -c "+$((second + 1))" "$OTHER_AUDIT_LOG"
    } | grep -F "\"user\":{\"username\":\"$2" || :
}
