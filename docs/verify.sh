#!/bin/bash
# verify.sh ROOT-KEY.pem FILE|DIRECTORY... - verifies the segments of one journal without kubectl-hoop, by openssl,
# zstd, jq and coreutils: the format is in hoop-session(5), "Verify". Prints what it found and one word:
#   INTACT 0 · RECOVERED 8 · INCOMPLETE 8 · UNVERIFIABLE 7 · TRUNCATED 3 · TAMPERED 3      (and the exit status)
# Nothing is decompressed before length, signature, certificate and hash fit; then under limits.
# shellcheck disable=SC2016 # the dollars in quotes are jq's
set -u
export LC_ALL=C
shopt -s extglob

PLAIN_MAX=$((256 << 20)) TAIL_MAX=$((12 + (128 << 10))) ZEROS=$(printf '%064d' 0)
words=(INTACT RECOVERED INCOMPLETE UNVERIFIABLE TRUNCATED TAMPERED) statuses=(0 8 8 7 3 3)
worst=0 tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# found LEVEL TEXT: counts, and is shown with its controls escaped.
found() {
    [ "$1" -le "$worst" ] || worst=$1
    printf '%s: %q\n' "${name:-journal}" "$2"
}
tampered() { found 5 "$1"; }

number='def n: type == "number" and . >= 0 and . == floor;'
# The index as it must be: the type of every field, and frames that tile [0, bytes).
shape=$number'
def text: type == "string" and (explode | all(. > 31)); def hash: text and test("^[0-9a-f]{64}$");
.type == "index" and .v == 1 and ([.session, .journal, .cluster, .gateway, .reason] | all(text)) and (.previous | hash)
and (.sha256 | hash) and ([.n, .bytes, .plainBytes, .lines, .seq[0], .seq[1]] | all(n)) and (.time | length == 2 and all(text))
and (.last | type == "boolean") and (.counts | type == "object" and all(n)) and ([.boot.id, .boot.key, .boot.rootKey,
.boot.certificate] | all(text)) and (.seq | length == 2) and (.frames | type == "array" and length > 0)
and (.frames | all(length == 8 and (.[0:5] | all(n)) and (.[7] | hash)))
and (reduce .frames[] as $f ([0, 0, 0]; if .[0] == $f[0] and .[1] == $f[2] and $f[1] > 0 then [.[0] + $f[1], .[1] + $f[3],
.[2] + $f[4]] else [-1, -1, -1] end)) == [.bytes, .plainBytes, .lines]'

# All lines: one JSON object each, of this session, seq without a hole that no gap names; sums as the index has them.
lines='
def line: try fromjson catch null;
reduce inputs as $raw ({n: 0, next: $next, bad: null, gaps: 0, degraded: 0, counts: {}};
    if .bad then . else .n += 1 | ($raw | line) as $l
    | if ($raw | utf8bytelength) > 1048575 or ($l | type) != "object" then .bad = "line \(.n): not one JSON object"
      elif .n == 1 then
        if $l.type == "segment" and $l.v == 1 and $l.session == $i.session and $l.journal == $i.journal and $l.n == $i.n and
           $l.previous == $i.previous and $l.cluster == $i.cluster and
           ($i.recovered == true or ($l.gateway == $i.gateway and $l.boot == $i.boot.id))
        then . else .bad = "line 1: not this segment" end
      elif ($l.type | type) != "string" or ($l.time | type) != "string" or $l.session != $i.session or
           ($l.seq | type) != "number" then .bad = "line \(.n): not an event of this session"
      else (($l.type == "gap") and ($l | has("from"))) as $hole
      | if ($hole and $l.from == .next // $hole and .next == null) and $l.to >= $l.from and $l.to + 1 == $l.seq or
           (($hole | not) and (.next == null or $l.seq == .next)) then . else .bad = "line \(.n): seq \($l.seq)" end
      | .next = $l.seq + 1 | .counts[$l.type] += 1 | .t1 = $l.time | .t0 //= $l.time | .s0 //= $l.seq
      | if $l.type == "gap" then .gaps += 1 elif $l.type == "degraded" then .degraded += 1 else . end
      end end)
| if .bad then . elif .s0 == null then .bad = "no event"
  elif [.s0, .next - 1] != $i.seq or [.t0, .t1] != $i.time or .counts != $i.counts or .n != $i.lines
  then .bad = "sums of the index" else . end'

# What the checks need of the index, which has the right shape: no line break in any of it.
read_fields() {
    local all
    mapfile -t all < <(jq -r '.session, .journal, .n, .cluster, .gateway, .previous, .bytes, .sha256, .last,
        (.recovered == true or .reason == "recovered"), .boot.id, .boot.key, .boot.rootKey, .boot.certificate' "$tmp/index")
    session=${all[0]} journal=${all[1]} index_n=${all[2]} cluster=${all[3]} gateway=${all[4]} index_previous=${all[5]}
    bytes=${all[6]} sha256=${all[7]} index_last=${all[8]} recovered=${all[9]} boot=${all[10]} boot_key=${all[11]}
    root_key=${all[12]} certificate=${all[13]}
}

# read_tail FILE: leaves index and sig; fails when the file does not end as a sealed segment must.
read_tail() {
    local size length header
    size=$(stat -c %s -- "$1")
    tail -c "$TAIL_MAX" -- "$1" | tail -n 2 >"$tmp/tail"
    head -n 1 "$tmp/tail" | grep -a -o '{"type":"index".*' >"$tmp/index"
    tail -n 1 "$tmp/tail" >"$tmp/sig"
    if ! grep -a -q -E '^\{"type":"index","v":1,' "$tmp/index"; then
        if grep -a -q -E '^\{"type":"index","v":[0-9]+,' "$tmp/index"; then found 3 "a version not known here"; else
            tampered "no tail at the exact end"; fi
        return 1
    fi
    length=$(($(stat -c %s "$tmp/index") + $(stat -c %s "$tmp/sig")))
    header=$(printf '28b52ffda0%08x%06x' "$length" $((1 | length << 3)) |
        sed -E 's/^(.{10})(..)(..)(..)(..)(..)(..)(..)$/\1\5\4\3\2\8\7\6/')
    if [ "$length" -gt $((TAIL_MAX - 12)) ] || ! jq -e "$shape" "$tmp/index" >"$tmp/out" 2>&1 ||
        ! grep -q -x -E '\{"type":"signature","alg":"Ed25519","value":"[A-Za-z0-9+/]{86}=="\}' "$tmp/sig" ||
        [ "$(tail -c 1 "$tmp/sig" | od -An -tx1)" != ' 0a' ] ||
        [ "$(tail -c $((length + 12)) -- "$1" | head -c 12 | od -An -v -tx1 | tr -d ' \n')" != "$header" ] ||
        ! read_fields || [ "$size" -ne $((bytes + 12 + length)) ]; then
        tampered "no tail at the exact end"
        return 1
    fi
}

# signed KEY.pem TEXT SIGNATURE: Ed25519, or ECDSA P-256 over SHA-256.
signed() {
    if is_ed25519 "$1"; then
        openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$2" -sigfile "$3" >/dev/null 2>&1
    else
        openssl dgst -sha256 -verify "$1" -signature "$3" "$2" >/dev/null 2>&1
    fi
}

is_ed25519() { openssl pkey -pubin -in "$1" -noout -text 2>/dev/null | grep -q ED25519; }

# trusted_for GATEWAY CLUSTER: the optional lines before the key.
trusted_for() {
    local gateways clusters
    gateways=$(sed -n 's/^# gateway: *//p' "$key" | head -n 1)
    clusters=$(sed -n 's/^# clusters: *//p' "$key" | head -n 1)
    # shellcheck disable=SC2053 # globs are meant
    { [ -z "$gateways" ] || [[ $1 == $gateways ]]; } && { [ -z "$clusters" ] || [[ $2 == @(${clusters//,/|}) ]]; }
}

check_keys() {
    sed -E 's/.*"value":"(.*)"\}$/\1/' "$tmp/sig" | base64 -d >"$tmp/signature" 2>/dev/null
    printf -- '-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n' "$boot_key" >"$tmp/boot.pem"
    if ! is_ed25519 "$tmp/boot.pem" || ! signed "$tmp/boot.pem" "$tmp/index" "$tmp/signature"; then tampered "signature"; fi
    if [ "$root_key" != "$root" ]; then
        found 3 "signed under a root key that is not this one"
    elif ! trusted_for "$gateway" "$cluster"; then
        found 3 "the key is not trusted for this gateway and cluster"
    else
        base64 -d <<<"$certificate" >"$tmp/certificate" 2>/dev/null || : >"$tmp/certificate"
        printf 'hoop-boot-v1\n%s\n%s\n%s\n' "$gateway" "$boot" "$boot_key" >"$tmp/text"
        signed "$key" "$tmp/text" "$tmp/certificate" || tampered "certificate of the boot key"
    fi
}

check_name() {
    [ "$session-$journal-$(printf %05d "$index_n").jsonl.zst" = "$name" ] || tampered "name"
    [[ $1 != *cluster=+([!/])/* || $1 == *"cluster=$cluster/"* ]] || tampered "cluster in the path"
    [[ $1 != *date=+([!/])/* || $1 == *"date=$(ulid_date "$session")/"* ]] || tampered "date in the path"
}

ulid_date() {
    local digits=0123456789ABCDEFGHJKMNPQRSTVWXYZ rest=${1:0:10} ms=0 before
    while [ -n "$rest" ]; do
        before=${digits%%"${rest:0:1}"*}
        ms=$((ms * 32 + ${#before})) rest=${rest:1}
    done
    date -u -d "@$((ms / 1000))" +%F
}

# Each frame one zstd frame, window <= 2^23, with the plain size and the lines that the index says.
unpack() {
    local offset length plain count sum total=0
    : >"$tmp/plain"
    while read -r offset length plain count sum; do
        # What a frame says it holds is its limit below: so that limit comes first.
        [[ $plain =~ ^[0-9]{1,10}$ ]] && total=$((total + plain)) && [ "$total" -le "$PLAIN_MAX" ] || return 1
        tail -c "+$((offset + 1))" -- "$1" | head -c "$length" >"$tmp/frame"
        [ "$(sha256sum <"$tmp/frame" | cut -c 1-64)" = "$sum" ] &&
            [ "$(head -c 4 "$tmp/frame" | od -An -tx1)" = ' 28 b5 2f fd' ] &&
            zstd -lv "$tmp/frame" 2>/dev/null | grep -q '^# Zstandard Frames: 1$' &&
            ! zstd -lv "$tmp/frame" 2>/dev/null | grep -q '^# Skippable Frames: [1-9]' || return 1
        { zstd -dcq --memory=8MB "$tmp/frame" 2>/dev/null || echo; } | head -c $((plain + 1)) >"$tmp/part"
        [ "$(stat -c %s "$tmp/part")" -eq "$plain" ] && [ "$(wc -l <"$tmp/part")" -eq "$count" ] || return 1
        cat "$tmp/part" >>"$tmp/plain"
    done < <(jq -r '.frames[] | "\(.[0]) \(.[1]) \(.[3]) \(.[4]) \(.[7])"' "$tmp/index")
    [ "$(tail -c 1 "$tmp/plain" | od -An -tx1)" = ' 0a' ] && ! grep -q -a -P '\x00' "$tmp/plain"
}

# check_sealed FILE N: leaves previous, next (seq) and last for the one behind it.
check_sealed() {
    local before=$worst own=0 knows=$next summary bad losses
    last=unknown next=null
    worst=0
    if read_tail "$1"; then
        check_name "$1"
        [ -z "$previous" ] || [ "$index_previous" = "$previous" ] || tampered "previous"
        check_keys
        [ "$(head -c "$bytes" -- "$1" | sha256sum | cut -c 1-64)" = "$sha256" ] || tampered "SHA-256"
        last=$index_last previous=$(sha256sum <"$tmp/index" | cut -c 1-64)
        if [ "$worst" -lt 3 ]; then
            if unpack "$1"; then
                summary=$(jq -nRc --slurpfile x "$tmp/index" --argjson next "$knows" '$x[0] as $i | '"$lines" "$tmp/plain" 2>&1) ||
                    summary='{"bad":"lines","gaps":0,"degraded":0}'
                IFS=$'\t' read -r bad next losses < <(jq -r '"\(.bad)\t\(.next)\t\(.gaps + .degraded)"' <<<"$summary")
                [ "$bad" = null ] || tampered "$bad"
                [ "$losses" = 0 ] || found 2 "events tell of a loss"
            else
                tampered "data frames"
            fi
        fi
        [ "$recovered" = false ] || found 1 "ended by a crash"
    else
        previous=
    fi
    own=$worst worst=$before
    [ "$own" -le "$worst" ] || worst=$own
}

# Of paths that end in NUL those of segments, each behind its name. All other names mean nothing, and may hold anything.
segments() {
    local path name is='^[0-7][0-9A-HJKMNP-TV-Z]{25}-[0-9a-f]{8}-([0-9]{5}|[1-9][0-9]{5,8})\.jsonl\.zst(\.part|.*\.bad)?$'
    while IFS= read -r -d '' path; do
        name=${path##*/}
        [[ ! $name =~ $is || $name == *[![:print:]]* ]] || printf '%s\t%s\0' "$name" "$path"
    done
}

if [ $# -lt 2 ] || ! openssl pkey -pubin -in "$1" -outform DER -out "$tmp/root.der" 2>/dev/null; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi
key=$1 root=$(sha256sum <"$tmp/root.der" | cut -c 1-16)
shift
expected=0 previous=$ZEROS next=0 last=false open=false seen=
while IFS= read -r -d '' file; do
    name=${file##*/}
    n=$((10#$(sed -E 's/.*-([0-9]{5,9})\.jsonl\.zst.*/\1/' <<<"$name")))
    if [ "$n" = "$seen" ]; then
        case $name in *.bad*) ;; *) found 2 "a second file of this segment" ;; esac
        continue
    fi
    [ "$last" != true ] || tampered "something behind the last segment"
    [ "$n" -le "$expected" ] || found 4 "segment $expected is missing"
    [ "$n" -eq "$expected" ] || { previous='' next=null; }
    seen=$n expected=$((n + 1))
    case $name in
    *.part | *.bad*) found 2 "not sealed" && open=true previous='' next=null ;;
    *)
        check_sealed "$file"
        case $file in */spool/*) found 2 "waits in the spool" ;; esac
        ;;
    esac
done < <(for path; do find "$path" -type f -print0; done | segments | sort -z | cut -z -f 2-)
name=
[ -n "$seen" ] || { echo "no segment" >&2 && exit 6; }
[ "$last" != false ] || $open || found 4 "segment $expected is missing"
echo "${words[$worst]}"
exit "${statuses[$worst]}"
