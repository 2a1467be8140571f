"""report.py - what a run found, as tables; what of the goals is met."""

import os
import platform
import subprocess

import measure

MAIN, BASE = "hoop", "nginx"


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "absent"


def machine():
    cpu = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cpu": cpu[0] if cpu else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
        "versions": {
            "nginx": first_line(["nginx", "-v"]), "haproxy": first_line(["haproxy", "-v"]).split(" 20")[0],
            "h2load": first_line(["h2load", "--version"]), "mitmdump": first_line(["mitmdump", "--version"]),
            "openssl": first_line(["openssl", "version"]), "compiler": first_line(["cc", "--version"])}}


def text_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if number == 0:
            lines.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def number(value):
    if value is None:
        return "-"
    return "%.0f" % value if abs(value) >= 100 else "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def middle(cell, target, field):
    values = cell.get(target, {}).get(field)
    return measure.median(values) if values else None


def ratio(cell, target, base, field="cpu_us"):
    mine, other = middle(cell, target, field), middle(cell, base, field)
    return mine / other if mine and other else None


def targets_of(cells):
    seen = []
    for cell in cells.values():
        seen += [target for target in cell if target not in seen]
    return seen


def grid_tables(cells):
    names, targets = list(cells), targets_of(cells)
    out = []

    def table(title, show):
        rows = [[title] + names]
        for target in targets:
            rows.append([target] + [show(cells[name], target) if target in cells[name] else "-" for name in names])
        out.append(text_table(rows))

    def cpu(cell, target):
        share = ratio(cell, target, BASE)
        return "%s%s ±%.0f %%" % (number(middle(cell, target, "cpu_us")), " (%.2f)" % share if share else "",
                                  100 * measure.spread(cell[target]["cpu_us"]))

    def parts(cell, target):
        return "%s + %s" % (number(middle(cell, target, "loop_us")), number(middle(cell, target, "other_us")))

    table("CPU per request, µs (to nginx) ± spread", cpu)
    rows = [["loop + recorder, µs"] + names]
    for target in targets:
        if target.startswith(MAIN):
            rows.append([target] + [parts(cells[name], target) for name in names if target in cells[name]])
    if len(rows) > 1 and all(len(row) == len(rows[0]) for row in rows):
        out.append(text_table(rows))
    table("requests per second", lambda cell, target: number(middle(cell, target, "rps")))
    table("RSS, MB", lambda cell, target: number(middle(cell, target, "rss_kb") / 1024))
    rows = [["recorded"] + names]
    for target in targets:
        if any(cells[name].get(target, {}).get("recorded") for name in names):
            rows.append([target] + [cells[name].get(target, {}).get("recorded") or "-" for name in names])
    out.append(text_table(rows))
    return "\n\n".join(out)


def latency_table(cells):
    names = list(cells)
    rows = [["latency, µs: p50 / p99, added p50 / p99"] + names]
    for target in targets_of(cells):
        row = [target]
        for name in names:
            p50, p99 = middle(cells[name], target, "p50_us"), middle(cells[name], target, "p99_us")
            if p50 is None:
                row.append("-")
                continue
            row.append("%.0f / %.0f, +%.0f / +%.0f" % (p50, p99, p50 - middle(cells[name], "direct", "p50_us"),
                                                    p99 - middle(cells[name], "direct", "p99_us")))
        rows.append(row)
    return text_table(rows)


def flat_table(title, cell, columns):
    rows = [[title] + [label for _, label in columns]]
    for target, fields in cell.items():
        rows.append([target] + [number(measure.median(fields[f]) if isinstance(fields[f], list) else fields[f])
                                if f in fields else "-" for f, _ in columns])
    return text_table(rows)


# Goals: (what, limit, function of the findings or None). A goal is met when value <= limit.
def goals(found):
    grid, late = found.get("grid", {}), found.get("latency", {})
    commit = found.get("recorder", {}).get("commit", {}).get("700", (0, 0))[0]
    rows = []

    def at_most(what, limit, value, is_cpu_ratio=False):
        if value is not None:
            rows.append({"what": what, "limit": limit, "value": value, "met": value <= limit, "is_cpu_ratio": is_cpu_ratio})

    for name, limit in (("1 KB h2", 0.75), ("20 KB h2", 0.85), ("1 MB h2", 2.0), ("1 KB h1", 1.5), ("20 KB h1", 1.3)):
        at_most("CPU per request, everything recorded, to nginx: " + name, limit,
                ratio(grid.get(name, {}), MAIN, BASE), True)
    for name, limit in (("1 KB h2", 0.6), ("20 KB h2", 0.6), ("1 MB h2", 1.0)):
        at_most("CPU per request, recording off, to nginx: " + name, limit, ratio(grid.get(name, {}), "hoop off", BASE), True)
        cell = grid.get(name, {})
        mine, floor = middle(cell, "hoop off", "cpu_us"), middle(cell, "direct", "cpu_us")
        if mine and floor:
            at_most("recording off, to twice the origin's CPU: " + name,
                    {"1 KB h2": 0.9, "20 KB h2": 0.8, "1 MB h2": 1.0}[name], mine / floor / 2)
    for name, limit in (("1 KB h2", 0.6), ("20 KB h2", 0.9)):
        at_most("to haproxy (h1 up): " + name, limit, ratio(grid.get(name, {}), MAIN, "haproxy, h1 up"), True)
    for name, limit in (("1 KB h1", 0.7), ("20 KB h1", 0.8)):
        at_most("to kubectl proxy: " + name, limit, ratio(grid.get(name, {}), MAIN, "kubectl proxy"), True)
    for name, times in (("1 KB h2", 50), ("20 KB h2", 25), ("1 MB h2", 3.5)):
        at_most("to mitmdump, which records too: " + name, 1 / times, ratio(grid.get(name, {}), MAIN, "mitmdump"), True)
    for name in ("1 KB h2", "20 KB h2"):
        share = ratio(grid.get(name, {}), "direct", MAIN, "rps")
        at_most("requests/s of no proxy to ours: " + name, 1.25, share)
    for name, cell in late.items():
        def added(target):
            value = middle(cell, target, "p50_us")
            return None if value is None else value - middle(cell, "direct", "p50_us")
        if added(BASE) is None:
            continue
        at_most("added p50, recording off, µs (nginx's): " + name, added(BASE), added("hoop off"))
        at_most("added p50, µs (nginx's + the disk's commit + 100): " + name, added(BASE) + commit + 100, added(MAIN))
        at_most("added p50, strict, µs (nginx's + 2 commits + 100): " + name, added(BASE) + 2 * commit + 100,
                added("hoop strict"))
    at_most("CPU per new connection and request, to nginx", 0.9, ratio(found.get("connections", {}), MAIN, BASE), True)
    at_most("100 MB in one stream, CPU to nginx", 2.0, ratio(found.get("huge", {}), MAIN, BASE, "cpu_ms"))
    for name, micro in found.get("recorder", {}).items():
        if name != "commit":
            at_most("recorder alone, ms CPU per MB, pieces of 64 KB: " + name, 1.2, micro["record_64k_ms_per_mb"])
    for name, limit in (("1 KB h2", 1.0), ("1 MB h2", 40)):
        at_most("system calls per request: " + name, limit, found.get("syscalls", {}).get(name, {}).get(MAIN))
    slow = found.get("slow_readers", {}).get(MAIN)
    if slow:
        at_most("20 slow readers: others' requests/s without them, to with them", 1 / 0.9, 1 / slow["rps_share"][0])
        at_most("20 slow readers: RSS grown, MB each", 2.0, slow["grown_mb"][0] / 20)
    for name, cell in found.get("watches", {}).items():
        at_most("RSS, KB each: " + name, 8 if "10 conn" in name else 50, middle(cell, MAIN, "kb_each"))
    for name, limit in (("polling agent", 3), ("helm upgrade", 5), ("dashboard", 5)):
        work = found.get("workloads", {}).get(name)
        if work:
            at_most("recorder, ms CPU per recorded MB: " + name, limit, work["recorder_ms_per_mb"])
    return rows


def goal_table(rows):
    table = [["goal", "at most", "found", ""]]
    for row in rows:
        table.append([row["what"], number(row["limit"]), number(row["value"]), "met" if row["met"] else "MISSED"])
    return text_table(table)


def render(found, about):
    versions = about["machine"]["versions"]
    out = ["%s, %d cores, Linux %s; load %.1f before, %.1f after. %s; %d rounds, medians; %s." % (
        about["machine"]["cpu"], about["machine"]["cores"], about["machine"]["kernel"], about["load_before"],
        about["load_after"], about["date"], about["rounds"], about["commit"]),
        "; ".join(versions.values()) + ".",
        "Origin and load on one core, the proxy alone on another; all peers interleaved. CPU: all threads of the proxy, "
        "from schedstat. direct: CPU of the origin itself."]
    if "grid" in found:
        out.append(grid_tables(found["grid"]))
    if "latency" in found:
        out.append(latency_table(found["latency"]))
    if found.get("connections"):
        out.append(flat_table("a new connection and a request", found["connections"], [("cpu_us", "CPU, µs")]))
    if found.get("huge"):
        out.append(flat_table("100 MB, one stream, h1", found["huge"], [("cpu_ms", "CPU, ms"), ("mb_per_s", "MB/s")]))
    for name, cell in found.get("watches", {}).items():
        out.append(flat_table(name, cell, [("kb_each", "KB each"), ("rss_mb", "RSS, MB"), ("rss_mb_after", "RSS after, MB"),
                                           ("cpu_us_beside", "CPU of 1 KB beside, µs")]))
    if found.get("slow_readers"):
        out.append(flat_table("20 slow readers of 100 MB", found["slow_readers"], [
            ("grown_mb", "RSS grown, MB"), ("rps", "20 KB requests/s beside"), ("rps_share", "share of those without")]))
    if found.get("syscalls"):
        names = sorted({t for cell in found["syscalls"].values() for t in cell})
        out.append(text_table([["system calls per request"] + names] + [
            [name] + [number(cell.get(t)) for t in names] for name, cell in found["syscalls"].items()]))
    if found.get("workloads"):
        out.append(flat_table("recorded", found["workloads"], [
            ("exchanges", "exchanges"), ("body_mb", "MB of bodies"), ("stored_bytes", "bytes stored"),
            ("stored_per_exchange", "per exchange"), ("stored_share", "of the bodies"), ("against_gzip", "to gzip -6"),
            ("recorder_ms_per_mb", "recorder, ms/MB"), ("all_ms_per_mb", "all, ms/MB")]))
    if found.get("kubectl"):
        out.append(flat_table("kubectl get pods", found["kubectl"], [("wall_ms", "wall, ms"), ("cpu_ms", "CPU, ms")]))
    if found.get("recorder"):
        micro = {k: v for k, v in found["recorder"].items() if k != "commit"}
        out.append(flat_table("recorder alone", micro, [
            ("escape_gbs", "escape, GB/s"), ("json_c_gbs", "json-c, GB/s"), ("sha256_gbs", "sha256, GB/s"),
            ("record_4k_ms_per_mb", "all, 4 KB, ms/MB"), ("record_64k_ms_per_mb", "all, 64 KB, ms/MB")]))
        out.append("append + fdatasync, µs p50/p99: " + ", ".join(
            "%s bytes %.0f/%.0f" % (size, *values) for size, values in found["recorder"]["commit"].items()))
    out.append(goal_table(goals(found)))
    return "\n\n".join(out)
