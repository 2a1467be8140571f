#!/bin/bash
# tree.sh - what docs/ARCHITECTURE.md promises of the tree: which folder includes which, that a header begins with its
# manual, that what a comment points to is there, and that each mutant still fits.
set -eu -o pipefail

cd "$(dirname "$0")/../.."

failed=0
bad() {
    echo "tree.sh: $*" >&2
    failed=1
}

# may FOLDER: what its files may include besides themselves.
protocols='http kube session'
may() {
    case $1 in
    lib/base) ;;
    lib/http | lib/kube | lib/session | lib/net | lib/replay) echo base ;;
    lib/upload) echo base session ;;
    lib/proxy) echo base net "$protocols" ;;
    plugins) echo base upload store-dir ;;
    plugins/store-*) echo base net upload "$protocols" ;;
    plugins/upstream-*) echo base net proxy "$protocols" ;;
    cmd) echo base net upload proxy replay upstream-kubeconfig "$protocols" ;;
    *) bad "a folder without a row: $1" ;;
    esac
}

# Rows "FOLDER INCLUDED", each once: of lib/net/tls.c and "base/str.h" it is `lib/net base/str.h`.
rows=0
while read -r folder included; do
    rows=$((rows + 1))
    case $included in
    */*)
        case " ${folder##*/} $(may "$folder") " in
        *" ${included%%/*} "*) ;;
        *) bad "$folder: \"$included\" points left" ;;
        esac
        ;;
    *) # by its name alone only what is no library
        [[ $folder = cmd || $folder = plugins ]] || bad "$folder: \"$included\" names no folder"
        ;;
    esac
    case $included in
    */*_inside.h) [ "${included%%/*}" = "${folder##*/}" ] || bad "$folder: \"$included\" is another's own" ;;
    esac
done < <(grep -roE --include='*.[ch]' '^#include "[^"]+' lib plugins cmd |
    sed -E 's|^(.*)/[^/]*:#include "|\1 |' | sort -u)
[ "$rows" -ge 300 ] || bad "only $rows includes were found"

while IFS= read -r header; do
    name=${header##*/}
    IFS= read -r line <"$header"
    [[ $line = "/* $name - "* ]] || bad "$header does not begin with its manual"
done < <(find lib plugins cmd -name '*.h')

# A document that is named in a comment stands in the tree.
while IFS=: read -r file line document; do
    [ -e "$document" ] || [ -e "$(dirname "$file")/$document" ] || [ -e "docs/$document" ] ||
        bad "$file:$line: there is no $document"
done < <(grep -rnowE --include='*.[ch]' --include='*.sh' --include=meson.build '[A-Za-z0-9_/.-]+\.md' \
    lib plugins cmd tests docs check demo)

# A mutant that does not apply any more proves nothing (tests/mutants/run).
for mutant in tests/mutants/*.patch; do
    patch -p1 --dry-run --force --quiet <"$mutant" >/dev/null || bad "$mutant does not apply"
    grep -qE '^Killed-by: (unit|e2e) [a-z0-9_]+$' "$mutant" || bad "$mutant does not say by what it is killed"
done

exit "$failed"
