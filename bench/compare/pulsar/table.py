# SPDX-License-Identifier: Apache-2.0
"""The figures as Markdown: a table for each kind of row, then the goals."""

import os
import statistics

GOAL_PUBLISH_US = 0.5
GOAL_CONSUME_US = 0.8
GOAL_APP_US = 0.1
GOAL_LATENCY = 1.1
GOAL_FIRST_MS = 30
GOAL_PARTITIONS = 0.9
GOAL_CHUNKS = 0.8
CHUNKED_MIB = 20
GOAL_MEMORY = 0.1
GOAL_WIRE = 3e6


def short(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


class Figures:
    """By (row, client, delay): what each round gave."""

    def __init__(self):
        self.found = {}

    def add(self, row, client, delay, figures):
        self.found.setdefault((row, client.title, delay), []).append(figures)

    def of_row(self, row):
        """(client, delay) of those who have it, Hulse first."""
        names = [(c, d) for r, c, d in self.found if r == row]
        return sorted(names, key=lambda name: (not name[0].startswith("Hulse"), names.index(name)))

    def values(self, row, name, get):
        return [get(figures) for figures in self.found[(row, *name)]]

    def median(self, row, name, get):
        return statistics.median(self.values(row, name, get))

    def others(self, row, get, best):
        """The best of the official clients, None without one."""
        return best((self.median(row, n, get) for n in self.of_row(row)
                     if not n[0].startswith("Hulse")), default=None)

    def hulse(self, row, get):
        """None when it is not there."""
        names = [n for n in self.of_row(row) if n[0].startswith("Hulse")]
        return self.median(row, names[0], get) if names else None


def named(name):
    return name[0] if name[1] == "default" else f"{name[0]}, batches of {name[1]} ms"


def together(figures):
    return figures["cpu_us"]["app"] + figures["cpu_us"].get("daemon", 0)


def cpu_cells(figures, row, name):
    def of(whose):
        return short(figures.median(row, name, lambda f: f["cpu_us"].get(whose, 0)))

    daemon = of("daemon") if name[0].startswith("Hulse") else "-"
    return [of("app"), daemon, short(figures.median(row, name, together)), of("broker")]


def line(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def heading(*cells):
    return ["", line(*cells), "|---" * len(cells) + "|"]


def rate_cell(figures, row, name):
    rates = [value / 1e3 for value in figures.values(row, name, lambda f: f["rate"])]
    return f"{statistics.median(rates):.0f} k ({min(rates):.0f} to {max(rates):.0f})"


def rate_tables(figures, sizes):
    cpu = ("CPU of app", "of daemon", "together", "of broker")
    for kind, title, more in (("publish", "Publish", ("messages in an entry",)),
                              ("consume", "Consume and acknowledge each", ())):
        yield from heading(f"{title}, 10,000 in flight", "msg/s", *(f"{c}, µs" for c in cpu), *more)
        for size in sizes:
            row = (kind, size)
            for name in figures.of_row(row):
                cells = [f"{size} B: {named(name)}", rate_cell(figures, row, name),
                         *cpu_cells(figures, row, name)]
                if more:
                    cells.append(f"{figures.median(row, name, lambda f: f['per_entry']):.0f}")
                yield line(*cells)


def partitions_table(figures, count):
    row = ("partitions",)
    yield from heading(f"Publish to {count} partitions, 10,000 in flight", "msg/s", "CPU of app, µs",
                       "of daemon, µs", "together, µs", "of broker, µs", "messages in an entry")
    for name in figures.of_row(row):
        yield line(f"128 B: {named(name)}", rate_cell(figures, row, name),
                   *cpu_cells(figures, row, name),
                   f"{figures.median(row, name, lambda f: f['per_entry']):.0f}")


def chunks_table(figures, size):
    yield from heading(f"{size >> 20} MiB in chunks", "publish, MiB/s", "consume, MiB/s")
    for name in figures.of_row(("chunks", "publish")):
        yield line(named(name), *(
            f"{figures.median(('chunks', kind), name, lambda f: f['rate']) * size / 2**20:.0f}"
            for kind in ("publish", "consume")))


def latency_table(figures):
    row = ("latency",)
    yield from heading("1,000 msg/s of 128 B through one process", "sent to receipt, ms",
                       "sent to received, ms", "CPU of app, µs", "of daemon, µs", "together, µs",
                       "of broker, µs")
    for name in figures.of_row(row):
        spans = []
        for member in ("send_us", "end_to_end_us"):
            p50, p99 = (figures.median(row, name, lambda f, m=member, n=n: f[m][n] / 1e3)
                        for n in (0, 1))
            spans.append(f"p50 {short(p50)}, p99 {short(p99)}")
        yield line(named(name), *spans, *cpu_cells(figures, row, name))


def held_table(figures, counts):
    columns = [f"{count} processes" if count > 1 else "1 process" for count in counts]
    yield from heading("Connections to the broker and PSS", *columns, "first message after a cold start")
    for name in figures.of_row(("held", counts[0])):
        cells = []
        for count in counts:
            row = ("held", count)
            if (*[row], *name) not in figures.found:
                cells.append("-")
                continue
            cells.append(f"{figures.median(row, name, lambda f: f['sockets']):.0f}, "
                         f"{short(figures.median(row, name, lambda f: f['pss_mb']))} MB")
        first = figures.median(("first",), name, lambda f: f["ms"])
        yield line(name[0], *cells, f"{short(first)} ms")


def goal(what, bound, value, unit, least=False):
    """One line; None: there is nothing to judge by."""
    if bound is None or value is None:
        return line(what, "-", "-", "not judged")
    met = value >= bound if least else value <= bound
    sign = "≥" if least else "≤"
    return line(what, f"{sign} {short(bound)}{unit}", f"{short(value)}{unit}",
                "met" if met else "**missed**")


def goals(figures, sizes, counts, wire, partitions):
    yield from heading("Goal", "Bound", "Hulse", "")
    us, publish, consume = " µs", ("publish", 128), ("consume", 128)
    yield goal("publish 128 B: CPU of app and daemon", GOAL_PUBLISH_US,
               figures.hulse(publish, together), us)
    yield goal("consume and acknowledge 128 B: CPU of app and daemon", GOAL_CONSUME_US,
               figures.hulse(consume, together), us)
    for what, row in (("publish", publish), ("consume", consume)):
        yield goal(f"{what} 128 B: the app's own", GOAL_APP_US,
                   figures.hulse(row, lambda f: f["cpu_us"]["app"]), us)
    for kind in ("publish", "consume"):
        for size in sizes:
            best = figures.others((kind, size), lambda f: f["rate"] / 1e3, max)
            yield goal(f"{kind} {size} B: the best client's rate", best,
                       figures.hulse((kind, size), lambda f: f["rate"] / 1e3), " k msg/s", True)
    alone = figures.hulse(publish, lambda f: f["rate"] / 1e3)
    yield goal(f"publish 128 B to {partitions} partitions: {GOAL_PARTITIONS} x the single topic's rate",
               None if alone is None else alone * GOAL_PARTITIONS,
               figures.hulse(("partitions",), lambda f: f["rate"] / 1e3), " k msg/s", True)
    for kind in ("publish", "consume"):
        row = ("chunks", kind)
        best = figures.others(row, lambda f: f["rate"] * CHUNKED_MIB, max)
        yield goal(f"{kind} {CHUNKED_MIB} MiB in chunks: {GOAL_CHUNKS} x the best client's rate",
                   None if best is None else best * GOAL_CHUNKS,
                   figures.hulse(row, lambda f: f["rate"] * CHUNKED_MIB), " MiB/s", True)
    for member, what in (("send_us", "sent to receipt"), ("end_to_end_us", "sent to received")):
        for n, percentile in ((0, "p50"), (1, "p99")):
            best = figures.others(("latency",), lambda f, m=member, n=n: f[m][n] / 1e3, min)
            yield goal(f"1,000 msg/s, {what}, {percentile}: 1.1 x the best client's",
                       None if best is None else best * GOAL_LATENCY,
                       figures.hulse(("latency",), lambda f, m=member, n=n: f[m][n] / 1e3), " ms")
    yield goal("first message after a cold start of the application", GOAL_FIRST_MS,
               figures.hulse(("first",), lambda f: f["ms"]), " ms")
    most = ("held", counts[-1])
    workers = max(1, min(8, len(os.sched_getaffinity(0)) // 2))
    yield goal(f"{counts[-1]} processes: 2 x workers connections", 2 * workers,
               figures.hulse(most, lambda f: f["sockets"]), "")
    best = figures.others(most, lambda f: f["pss_mb"], min)
    yield goal(f"{counts[-1]} processes: a tenth of the PSS of the least client's",
               None if best is None else best * GOAL_MEMORY,
               figures.hulse(most, lambda f: f["pss_mb"]), " MB")
    yield goal("without a broker, a core (`bench_pulsar_send`): messages of 128 B", GOAL_WIRE / 1e6,
               None if wire is None else wire / 1e6, " M msg/s", True)
