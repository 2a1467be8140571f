#!/usr/bin/python3
# width_ranges.py - prints width_ranges.h: which code points take two columns, and which take none, by
# East_Asian_Width and General_Category of the Unicode version that this python knows.
import unicodedata

LAST = 0x10FFFF
HANGUL_VOWELS_AND_FINALS = range(0x1160, 0x1200)  # join the syllable before them
TAGS = range(0xE0000, 0xE1000)


def is_unassigned(code):
    return unicodedata.category(chr(code)) == "Cn"


def is_wide(code):
    # Some pythons say "F" of what is unassigned.
    return not is_unassigned(code) and unicodedata.east_asian_width(chr(code)) in "WF"


def is_empty(code):
    if code in HANGUL_VOWELS_AND_FINALS or code in TAGS:
        return True
    return unicodedata.category(chr(code)) in ("Mn", "Me") and not is_wide(code)


def ranges(holds):
    """[first, last]; what is unassigned between two of them is taken with them."""
    found = []
    for code in range(LAST + 1):
        if not holds(code):
            continue
        if found and all(is_unassigned(between) for between in range(found[-1][1] + 1, code)):
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def show(name, found):
    print("static const struct code_range %s[] = {" % name)
    line = "   "
    for first, last in found:
        item = " {0x%X, 0x%X}," % (first, last)
        if len(line) + len(item) > 100:
            print(line)
            line = "   "
        line += item
    print(line)
    print("};")


print("/* width_ranges.h - printed by width_ranges.py, Unicode %s: do not edit. */" % unicodedata.unidata_version)
print("/* clang-format off */")
print("#pragma once\n\n#include <stdint.h>\n")
print("struct code_range {\n    uint32_t first, last;\n};\n")
show("wide_ranges", ranges(is_wide))
print()
show("empty_ranges", ranges(is_empty))
