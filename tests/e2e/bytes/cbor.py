"""cbor.py - CBOR (RFC 8949) as Python values: the API server writes the keys of a map in an order of chance, on purpose."""

import struct

BREAK = object()


def decode(data, at=0):
    """The item that begins at `at`, and where the next one does. A map is a sorted tuple of pairs."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        number = info
    elif info < 28:
        size = 1 << (info - 24)
        number, at = int.from_bytes(data[at:at + size], "big"), at + size
    else:
        number = None  # without a length, or the end of such an item
    if major in (0, 1):
        return (number if major == 0 else -1 - number), at
    if major in (2, 3) and number is not None:
        return (("bytes", "text")[major - 2], bytes(data[at:at + number])), at + number
    if major == 6:
        value, at = decode(data, at)
        return ("tag", number, value), at
    if major == 7:
        if number is None:
            return BREAK, at
        return ("float", struct.unpack(">d", data[at - 8:at])[0]) if info == 27 else ("simple", number, info), at
    items = []
    while number is None or len(items) < number * (2 if major == 5 else 1):
        item, at = decode(data, at)
        if item is BREAK:
            break
        items.append(item)
    if major == 5:
        return ("map", *sorted(zip(items[::2], items[1::2]), key=repr)), at
    return ("list" if major == 4 else "pieces", *items), at


def decode_all(data):
    """A sequence of items (RFC 8742)."""
    items, at = [], 0
    while at < len(data):
        item, at = decode(data, at)
        items.append(item)
    return items
