"""ask.py - the same requests to an API server directly, through the gateway and directly again, by one curl for
each version of HTTP; and what differs in the answers.

The answers of the two direct runs tell what two runs may have differently: where they are equal, byte for byte, that
of the gateway has to be equal too. Where they are not, the request is made again; what never settles (metrics, or
what writes) is compared with all that belongs to one run taken out: uids, moments, resource versions.
"""

import dataclasses
import gzip
import os
import pathlib
import re
import subprocess
import threading

import cbor

SIDES = ("one", "through", "two")
VERSIONS = ("http1.1", "http2")
ROUNDS = 3
# Of one hop, or of one call.
NOT_COMPARED = {"connection", "keep-alive", "transfer-encoding", "trailer", "date", "audit-id"}
OF_ONE_RUN = [(re.compile(pattern), token) for pattern, token in (
    (rb"(?m)^(\w+(?:\{.*\})?) [-+\d.e]+$", rb"\1 <value>"),  # a metric
    (rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", b"<uid>"),
    (rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", b"<moment>"),
    (rb"\b\d{1,4}(ms|s|m\d*s?)\b", b"<age>"),  # in tables
    (rb"\x08[\x80-\xff]{4}[\x01-\x0f]\x10[\x80-\xff]{0,4}[\0-\x7f]", b"<moment in protobuf>"),
    (rb"bytes-(?:one|thr|two)-", b"<namespace>"),
    (rb"eyJ2Ijoi[\w-]+", b"<continue>"),
    (rb"(?<=gen-)[a-z0-9]{5}\b", b"<random>"),
    (rb"\d{3,}", b"<version>"),
)]


@dataclasses.dataclass
class Request:
    """What is asked. In path and body, NAMESPACE stands for one that the side has for itself."""
    path: str
    method: str = "GET"
    headers: tuple = ()
    body: bytes | None = None
    version: str = "http2"
    user: str = "admin"
    seconds: int = 20

    def __str__(self):
        return f"{self.version} {self.method} {self.path} {' '.join(self.headers)}"


@dataclasses.dataclass
class Answer:
    """What came. `heads`: of interim answers, the answer and its trailers, each a list of lower case (name, value)."""
    code: int
    statuses: list
    heads: list
    body: bytes

    def comparable_body(self):
        plain = unpacked(self.body)
        if not plain.startswith(b"\xd9\xd9\xf7") or self.code != 0:
            return self.body
        return b"%d %s" % (len(plain), repr(cbor.decode_all(plain)).encode())

    def comparable(self, is_h1):
        """All of it, as a list of (what, value)."""
        parts = [("curl's exit code", self.code), ("statuses", self.statuses), ("body", self.comparable_body())]
        for number, head in enumerate(self.heads):
            # Where a body's length is in the head for one version of HTTP, another may use chunks.
            left_out = NOT_COMPARED | ({"content-length"} if is_h1 else set())
            parts.append((f"head {number}", [field for field in head if field[0] not in left_out]))
        return parts


def unpacked(body):
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


class Side:
    """One way to the server: where it is, and how curl shows who asks."""

    def __init__(self, name, url, ca, users):
        self.name, self.url, self.ca, self.users = name, url, ca, users

    def namespace(self, version):
        """Two versions of HTTP are asked at the same time: each changes what is its own."""
        return f"bytes-{self.name[:3]}-{version[4]}"


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def config(request, side, at):
    """curl's configuration for one transfer, whose files begin with `at`."""
    namespace = side.namespace(request.version)
    path = request.path.replace("NAMESPACE", namespace)
    lines = ["next", f"url = {quote(side.url + path)}", request.version, f"cacert = {side.ca}", "path-as-is",
             f"dump-header = {at}.head", f"output = {at}.body", f"max-time = {request.seconds}", "noproxy = *",
             "globoff", f"write-out = \"{os.path.basename(at)} %{{exitcode}}\\n\"", 'header = "Expect:"']
    lines += ["head"] if request.method == "HEAD" else [f"request = {request.method}"]
    lines += side.users[request.user]
    lines += [f"header = {quote(header)}" for header in request.headers]
    if request.body is not None:
        pathlib.Path(f"{at}.sent").write_bytes(request.body.replace(b"NAMESPACE", namespace.encode()))
        lines += [f"data-binary = @{at}.sent"]
    return lines


def parse_heads(data):
    statuses, heads = [], []
    for block in re.split(rb"\r\n\r\n", data):
        lines = [line for line in block.split(b"\r\n") if line]
        if not lines:
            continue
        if lines[0].startswith(b"HTTP/"):
            statuses.append(int(lines[0].split()[1]))
            lines = lines[1:]
        fields = [line.decode("latin1").partition(":") for line in lines]
        heads.append([(name.lower(), value.strip()) for name, _, value in fields])
    return statuses, heads


def run_curl(work, folder, name, parallel):
    """work: (request, side) in the order in which they are asked. The answers, in that order."""
    lines = ["silent"] + (["parallel", f"parallel-max = {parallel}", "parallel-immediate"] if parallel else [])
    for number, (request, side) in enumerate(work):
        transfer = config(request, side, f"{folder}/{name}.{number}")
        lines += transfer if number else transfer[1:]
    file = pathlib.Path(f"{folder}/{name}.curl")
    file.write_text("\n".join(lines) + "\n")
    told = subprocess.run(["curl", "-q", "-K", str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True).stdout
    codes = dict(line.split() for line in told.splitlines())
    answers = []
    for number in range(len(work)):
        at = f"{folder}/{name}.{number}"
        files = [pathlib.Path(f"{at}.{part}") for part in ("head", "body", "sent")]
        head, body = (file.read_bytes() if file.exists() else b"" for file in files[:2])
        statuses, heads = parse_heads(head)
        if work[number][0].method == "HEAD":
            body = b""  # curl repeats the head there
        answers.append(Answer(int(codes.get(f"{name}.{number}", -1)), statuses, heads, body))
        for file in files:
            file.unlink(missing_ok=True)
    return answers


def of_any_run(value):
    """`value`, without what belongs to one run."""
    if isinstance(value, list):
        return [tuple(of_any_run(part) for part in field) if isinstance(field, tuple) else field
                for field in value]
    if isinstance(value, str):
        return of_any_run(value.encode("latin1")).decode("latin1")
    if isinstance(value, bytes):
        value = unpacked(value)
        for pattern, token in OF_ONE_RUN:
            value = pattern.sub(token, value)
    return value


def show(value):
    text = repr(value)
    return text if len(text) < 600 else f"{text[:500]}... ({len(value)} long)"


def first_difference(one, other):
    if isinstance(one, bytes) and isinstance(other, bytes):
        at = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
        return (f"of {len(one)} and {len(other)} bytes, from {at} on:\n    < {show(one[at - 40 if at > 40 else 0:at + 100])}"
                f"\n    > {show(other[at - 40 if at > 40 else 0:at + 100])}")
    return f"\n    < {show(one)}\n    > {show(other)}"


def differences(request, answers, is_last):
    """(texts, is settled, is seen): what the gateway's answer has that the direct ones have not; are these the same, or
    at least apart from what is of one run."""
    if not answers[0].statuses and not answers[2].statuses and answers[1].statuses == [503]:
        return [], True, True  # who breaks off before the answer begins is reported as such
    parts = [answer.comparable(request.version == "http1.1") for answer in answers]
    if len({tuple(what for what, _ in part) for part in parts}) > 1:
        return [f"{request}: {[answer.statuses for answer in answers]}"], True, True
    found, settled, seen = [], True, True
    for (what, one), (_, through), (_, two) in zip(*parts):
        if one == two and through != one:
            found.append(f"{request}: {what} {first_difference(one, through)}")
        elif one != two:
            settled = False
            bare = [of_any_run(value) for value in (one, through, two)] if is_last else [1, 1, 1]
            if bare[0] != bare[2]:
                seen = False
                if "KHOOP_BYTES_SHOW" in os.environ:
                    print(f"{request}: {what}: {first_difference(bare[0], bare[2])}")
            elif bare[1] != bare[0]:
                found.append(f"{request}: {what}, apart from what is of one run, {first_difference(bare[0], bare[1])}")
    return found, settled, seen


def compare(requests, sides, folder, rounds=ROUNDS, parallel=0):
    """Asks all of them. Answers (the differences, how many direct answers were never the same, requests whose direct
    answers cannot be compared, the three answers to each)."""
    answers, found, unsettled, unseen, left = {}, [], 0, [], list(enumerate(requests))
    for number in range(rounds):
        is_last = number == rounds - 1

        def ask(version, number=number, left=left):
            mine = [(at, request) for at, request in left if request.version == version]
            work = [(request, side) for _, request in mine for side in sides]
            got = run_curl(work, folder, f"{version}-{number}", parallel) if work else []
            for place, (at, _) in enumerate(mine):
                answers[at] = got[place * len(sides):(place + 1) * len(sides)]

        threads = [threading.Thread(target=ask, args=(version,)) for version in VERSIONS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        again = []
        for at, request in left:
            texts, settled, seen = differences(request, answers[at], is_last)
            # What another call between them has caused is gone when asked again.
            if not is_last and (texts or not settled):
                again.append((at, request))
                continue
            found += texts
            unsettled += not settled
            if not seen:
                unseen.append(request)
        left = again
    return found, unsettled, unseen, [answers[at] for at in range(len(requests))]
