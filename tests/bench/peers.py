"""peers.py - the origin, the gateways and the other proxies: started, found, and ended by pid."""

import asyncio
import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import bodies

KB, MB = 1000, 1 << 20
FILES = {  # path: body. None of them bears secrets: all bytes are recorded.
    "/api/v1/namespaces/default/configmaps/small": lambda: bodies.config_map("small", KB),
    "/api/v1/namespaces/default/pods": lambda: bodies.of_size(20 * KB),
    "/api/v1/namespaces/many/pods": lambda: bodies.of_size(MB),
    "/api/v1/namespaces/huge/pods": lambda: bodies.of_size(MB) * 100,
    "/api": lambda: bodies.compact({"kind": "APIVersions", "versions": ["v1"]}),
    "/apis": lambda: bodies.compact({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
    "/api/v1": lambda: bodies.compact({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get", "list", "watch"]}
        for name, kind in (("pods", "Pod"), ("configmaps", "ConfigMap"))]}),
}
WATCH = "/api/v1/watch/namespaces/default/pods"
HEADERS = {"user-agent": "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd", "accept": "application/json"}


class Absent(Exception):
    """A peer that is not installed, or will not start here."""


class Place:
    """A directory for one run, its certificates and bodies, and every process that was started."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.processes = []
        self.bodies = {}
        cpus = sorted(os.sched_getaffinity(0))
        self.load_cpu = {cpus[-1]} if len(cpus) > 1 else set(cpus)
        self.proxy_cpu = {cpus[0]} if len(cpus) > 1 else set(cpus)
        self.certificates()
        for target, make in FILES.items():
            self.bodies[target] = make()
            file = self.path / "root" / (target[1:] + ".json")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.bodies[target])

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=self.path, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def certificates(self):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        (self.path / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self.openssl("req", "-x509", *curve, "-days", "2", "-subj", "/CN=bench CA", "-keyout", "ca.key",
                     "-out", "ca.pem")
        self.openssl("req", *curve, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                     "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")
        (self.path / "server.both").write_text(
            (self.path / "server.pem").read_text() + (self.path / "server.key").read_text())

    def spawn(self, arguments, cpu, log, **options):
        with open(self.path / (log + ".log"), "ab") as file:
            options.setdefault("stdout", file)
            process = subprocess.Popen(
                [str(a) for a in arguments], cwd=self.path, stdin=subprocess.DEVNULL, stderr=file,
                preexec_fn=lambda: os.sched_setaffinity(0, cpu), **options)
        self.processes.append(process)
        return process

    def end(self, process, grace=20):
        """By its own pid, and waited for."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self.processes:
            self.processes.remove(process)

    def end_all(self):
        for process in list(reversed(self.processes)):
            self.end(process, 5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(pid, port):
    """Is it this very process that listens there?"""
    wanted = "0100007F:%04X" % port
    inodes = {fields[9] for fields in (line.split() for line in open("/proc/net/tcp").readlines()[1:])
              if fields[1] == wanted and fields[3] == "0A"}
    try:
        links = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
    except OSError:
        return False
    return any("socket:[%s]" % inode in links for inode in inodes)


def wait_listening(process, port, name, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_listening(process.pid, port):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise Absent("%s does not listen on its port" % name)


def need(program):
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not path:
        raise Absent("%s is not installed (tests/install bench)" % program)
    return path


NGINX = """daemon off; master_process off; pid %(name)s.pid; error_log %(name)s.err crit;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
    access_log off; default_type application/json; sendfile on; tcp_nopush on; open_file_cache max=100;
    keepalive_requests 1000000000; keepalive_timeout 1h; http2_max_concurrent_streams 128;
    client_body_temp_path %(name)s.1; proxy_temp_path %(name)s.2; fastcgi_temp_path %(name)s.3;
    uwsgi_temp_path %(name)s.4; scgi_temp_path %(name)s.5;
    ssl_certificate server.pem; ssl_certificate_key server.key; ssl_protocols TLSv1.3;
    ssl_ecdh_curve X25519;
%(rest)s
}
"""

ORIGIN = """    server {
        listen 127.0.0.1:%(port)d ssl http2 backlog=4096;
        root root; recursive_error_pages on;
        location / { try_files $uri.json =404; }
        location ~ ^(/api/v1/watch/|/-/) {
            proxy_pass http://unix:%(live)s; proxy_buffering off; proxy_read_timeout 1h; proxy_http_version 1.1;
            client_max_body_size 64m;
        }
    }"""

NGINX_PROXY = """    upstream origin { server 127.0.0.1:%(origin)d; keepalive 512; keepalive_requests 1000000000;
                      keepalive_timeout 1h; }
    server {
        listen 127.0.0.1:%(port)d ssl http2 backlog=4096;
        location / {
            proxy_pass https://origin; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.pem; proxy_ssl_name localhost;
            proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3; proxy_buffers 16 16k;
            proxy_buffer_size 16k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;
            proxy_read_timeout 1h;
        }
    }"""

HAPROXY = """global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
frontend down
    bind 127.0.0.1:%(port)d ssl crt server.both alpn h2,http/1.1 ssl-min-ver TLSv1.3
    default_backend up
backend up
    http-reuse always
    server origin 127.0.0.1:%(origin)d ssl verify required ca-file ca.pem sni str(localhost) alpn %(alpn)s
"""


class Live:
    """Answers that are made: watches that stay silent, and what a workload puts at /-/NAME. Behind the
    origin, over a Unix socket, in a thread of ours."""

    def __init__(self, path):
        self.path = str(path)
        self.answers = {}  # path: function that returns bytes, or a generator of pieces
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self.run, args=(ready,), daemon=True).start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_unix_server(self.serve, self.path, backlog=4096))
        ready.set()
        self.loop.run_forever()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
                lengths = [line.split(":")[1] for line in head.lower().split("\r\n")
                           if line.startswith("content-length:")]
                if lengths:
                    await reader.readexactly(int(lengths[0]))
                target = head.split(" ")[1]
                answer = self.answers.get(target)
                if answer is None:  # a watch: a head, and then nothing for as long as anybody listens
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 b"Transfer-Encoding: chunked\r\n\r\n")
                    await reader.read(1)
                    break
                body = answer()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                             % len(body) + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Target:
    """Something that h2load can be pointed at. `url` has no path; `headers` go with every request."""

    name = "?"
    protocols = ("h2", "h1")
    records = False
    slow = False  # not asked for many

    def __init__(self, place, origin=None):
        self.place, self.origin = place, origin
        self.headers = dict(HEADERS)
        self.process = None
        self.start()

    def stop(self):
        if self.process:
            self.place.end(self.process)

    def pids(self):
        return [self.process.pid] if self.process else []

    def context(self):
        context = ssl.create_default_context(cafile=str(self.place.path / "ca.pem"))
        return context

    def port(self):
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def connection(self):
        """An HTTP/1.1 connection, and the path prefix to use on it."""
        prefix = self.url.split("/", 3)[3:]
        prefix = "/" + prefix[0] if prefix else ""
        if self.url.startswith("http:"):
            return http.client.HTTPConnection("127.0.0.1", self.port(), timeout=60), prefix
        return http.client.HTTPSConnection("127.0.0.1", self.port(), timeout=60, context=self.context()), prefix


class Origin(Target):
    name = "direct"

    def start(self):
        port = free_port()
        self.live = Live(self.place.path / "live.sock")
        conf = self.place.path / "origin.conf"
        conf.write_text(NGINX % {"name": "origin", "rest": ORIGIN % {"port": port, "live": self.live.path}})
        self.process = self.place.spawn([need("nginx"), "-p", self.place.path, "-c", conf], self.place.load_cpu, "origin")
        self.url = "https://127.0.0.1:%d" % port
        wait_listening(self.process, port, "the origin")
        (self.place.path / "origin.kubeconfig").write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            "clusters: [{name: bench, cluster: {server: '%s', certificate-authority: '%s/ca.pem'}}]\n"
            "users: [{name: u, user: {token: bench-token}}]\n"
            "contexts: [{name: c, context: {cluster: bench, user: u}}]\n" % (self.url, self.place.path))


class Gateway(Target):
    name = "hoop"
    records = True
    program = "tests/integration/gateway_alone"
    options = ()

    def start(self):
        self.directory = self.place.path / ("spool-%s-%d" % (self.name.replace(" ", "-"), time.monotonic_ns()))
        self.directory.mkdir()
        self.process = self.place.spawn(
            [self.place.build / self.program, *self.options, self.place.path / "origin.kubeconfig", self.directory],
            self.place.proxy_cpu, "gateway", stdout=subprocess.PIPE)
        path = self.process.stdout.readline().decode().strip()
        if not path:
            raise Absent("the gateway did not start: see %s/gateway.log" % self.place.path)
        self.kubeconfig = path
        text = open(path).read()
        self.url = text.split("server: '")[1].split("'")[0]
        self.headers["authorization"] = "Bearer " + text.split("token: '")[1].split("'")[0]
        wait_listening(self.process, self.port(), "the gateway")

    def context(self):
        return ssl.create_default_context(cafile=str(self.directory / "ca.pem"))


class GatewayStrict(Gateway):
    name = "hoop strict"
    options = ("--strict",)


class GatewayOff(Gateway):
    name = "hoop off"
    records = False
    program = "tests/bench/gateway_off"


class Nginx(Target):
    name = "nginx"

    def start(self):
        port = free_port()
        conf = self.place.path / "nginx.conf"
        conf.write_text(NGINX % {"name": "nginx", "rest": NGINX_PROXY % {"port": port, "origin": self.origin.port()}})
        self.process = self.place.spawn([need("nginx"), "-p", self.place.path, "-c", conf], self.place.proxy_cpu, "nginx")
        self.url = "https://127.0.0.1:%d" % port
        wait_listening(self.process, port, self.name)


class Haproxy(Target):
    name = "haproxy, h1 up"
    alpn = "http/1.1"

    def start(self):
        port = free_port()
        conf = self.place.path / ("haproxy-%d.cfg" % port)
        conf.write_text(HAPROXY % {"port": port, "origin": self.origin.port(), "alpn": self.alpn})
        self.process = self.place.spawn([need("haproxy"), "-db", "-f", conf], self.place.proxy_cpu, "haproxy")
        self.url = "https://127.0.0.1:%d" % port
        wait_listening(self.process, port, self.name)


class HaproxyH2(Haproxy):
    name = "haproxy, h2 up"
    alpn = "h2"


class KubectlProxy(Target):
    name = "kubectl proxy"
    protocols = ("h1",)

    def start(self):
        port = free_port()
        kubectl = os.environ.get("PEER_KUBECTL") or need("kubectl")
        self.process = self.place.spawn(
            [kubectl, "--kubeconfig", self.place.path / "origin.kubeconfig", "proxy", "--port=%d" % port],
            self.place.proxy_cpu, "kubectl-proxy")
        self.url = "http://127.0.0.1:%d" % port
        wait_listening(self.process, port, self.name)


class Mitmdump(Target):
    name = "mitmdump"
    slow = True

    def start(self):
        port = free_port()
        self.process = self.place.spawn(
            [need("mitmdump"), "-q", "--mode", "reverse:%s/" % self.origin.url, "--listen-host", "127.0.0.1",
             "--listen-port", port, "-w", "mitm-%d.flows" % port, "--set", "confdir=" + str(self.place.path / "mitm"),
             "--set", "ssl_verify_upstream_trusted_ca=" + str(self.place.path / "ca.pem")],
            self.place.proxy_cpu, "mitmdump")
        self.url = "https://127.0.0.1:%d" % port
        wait_listening(self.process, port, self.name)


PEERS = (Gateway, GatewayStrict, GatewayOff, Nginx, Haproxy, HaproxyH2, KubectlProxy, Mitmdump)
