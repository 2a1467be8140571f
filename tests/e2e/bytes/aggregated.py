"""aggregated.py CERT KEY PORT-FILE - an API server behind the API server: the group agg.example.com, whose answers
are those that kube-apiserver cannot be told to give. HTTP/1.1 over TLS, on 127.0.0.1."""

import gzip
import http.server
import json
import re
import ssl
import sys

GROUP = "/apis/agg.example.com"
VERSION = GROUP + "/v1"
DISCOVERY = {
    VERSION: {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "agg.example.com/v1", "resources": [
        {"name": "answers", "singularName": "answer", "namespaced": False, "kind": "Answer", "verbs": ["get"]}]},
    GROUP: {"kind": "APIGroup", "apiVersion": "v1", "name": "agg.example.com", "versions": [
        {"groupVersion": "agg.example.com/v1", "version": "v1"}]},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def give(self, status, body, **headers):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunks(self, parts, trailers=()):
        self.send_response_only(200)
        self.send_header("Content-Type", "text/plain")  # else the API server may or may not guess one
        self.send_header("Transfer-Encoding", "chunked")
        for name, _ in trailers:
            self.send_header("Trailer", name.decode())
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n" + b"".join(b"%s: %s\r\n" % field for field in trailers) + b"\r\n")

    def answer(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        what, _, number = path.removeprefix(VERSION + "/answers/").partition("-")
        if path in DISCOVERY:
            self.give(200, json.dumps(DISCOVERY[path]).encode(), Content_Type="application/json")
        elif what == "status":
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": int(number)}
            self.give(int(number), json.dumps(status).encode(), Content_Type="application/json")
        elif what == "empty":
            self.give(int(number), b"", X_Empty="", Set_Cookie="a=b", X_Odd='"\\;,\t\xe9')
        elif what == "twice":
            self.send_response_only(200)
            for warning in ('299 - "one"', '299 - "two, three"', '299 - "one"'):
                self.send_header("Warning", warning)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif what == "members":  # a gzip stream of several members, the last one empty
            body = b"".join(gzip.compress(part, mtime=0) for part in (b'{"a":', b'"' + b"x" * 300000, b'"}', b""))
            self.give(200, body, Content_Type="application/json", Content_Encoding="gzip")
        elif what == "bytes":
            self.give(200, bytes(range(256)) * (int(number) // 256), Content_Type="application/octet-stream")
        elif what == "chunks":
            self.chunks([b"%d\n" % i for i in range(int(number))])
        elif what == "trailers":
            self.chunks([b"body"], [(b"X-After", b"1"), (b"X-After", b"2")])
        elif what == "range":
            first, last = map(int, re.search(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
            self.give(206, bytes(range(256))[first:last + 1], Content_Range=f"bytes {first}-{last}/256")
        elif what == "seen":  # what arrived, of the headers that are the client's
            seen = [f"{name}: {value}" for name, value in self.headers.items() if name.lower().startswith("x-client")]
            self.give(200, f"{self.command} {self.path}\n{seen}\n".encode() + sent, Content_Type="text/plain")
        else:
            self.give(404, b"nothing\n", Content_Type="text/plain")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer


def main():
    cert, key, port_file = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(port_file, "w", encoding="ascii") as file:
        file.write(str(server.server_address[1]))
    server.serve_forever()


main()
