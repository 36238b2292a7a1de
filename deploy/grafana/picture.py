#!/usr/bin/env python3
"""Draws the dashboard as a PNG, without Grafana, from what a Prometheus answers to its queries.

    python3 -m venv venv && venv/bin/pip install -r deploy/grafana/requirements.txt
    venv/bin/python deploy/grafana/picture.py --prometheus http://127.0.0.1:9090 \\
        --minutes 10 --out docs/on-sale-night.png

It knows what on-sale-night.json makes use of: rows, stats and time series on Grafana's grid of
24 columns, units, thresholds, overrides of a series' unit and axis, and marks. With --check it
draws nothing, and prints how many series each query answers with.
"""

import argparse
import json
import math
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARD = Path(__file__).with_name("on-sale-night.json")
# How often Prometheus asks, in seconds. Grafana makes $__rate_interval of it: four times that.
SCRAPE_SECONDS = 5
RATE_INTERVAL = f"{4 * SCRAPE_SECONDS}s"
TIMEOUT_SECONDS = 30

COLUMNS, COLUMN_PIXELS, ROW_PIXELS, GAP_PIXELS, HEAD_PIXELS = 24, 60, 32, 8, 44
DOTS_PER_INCH = 100
BACKGROUND, PANEL, TEXT, FAINT = "#f4f5f5", "#ffffff", "#24292e", "#8e9297"
LINES = [
    "#56a64b", "#e0b400", "#3274d9", "#e02f44", "#ff780a", "#8f3bb8",
    "#0a9ba5", "#b877d9", "#7c2ea3", "#37872d", "#c4162a", "#1f60c4",
]  # fmt: skip
THRESHOLDS = {"green": "#37872d", "orange": "#e06b00", "red": "#c4162a"}
LEGEND_LINES_MAX = 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--end", type=float, default=time.time(), help="seconds since 1970")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    if asked.check == (asked.out is not None):
        parser.error("either --out FILE or --check")
    return asked


# ---------------------------------------------------------------------------- queries


class Source:
    """A Prometheus, and the time that is looked at."""

    def __init__(self, asked):
        self.address = asked.prometheus.rstrip("/")
        self.start, self.end = asked.end - asked.minutes * 60, asked.end

    def marks(self, dashboard):
        """The times that are marked on all panels."""
        asked = [{**mark, "legendFormat": ""} for mark in dashboard["annotations"]["list"]]
        # Those that say the time themselves, in milliseconds.
        answers = [values for mark in asked for _, (_, values) in self.series(mark)]
        times = {value / 1000 for values in answers for value in values}
        return sorted(at for at in times if self.start <= at <= self.end)

    def series(self, target):
        """The legend, times and values of each answer to a query of the dashboard."""
        expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
        expression = expression.replace("$__range", f"{round(self.end - self.start)}s")
        query = {
            "query": expression.replace("$instance", ".*"),
            "start": self.start,
            "end": self.end,
            "step": SCRAPE_SECONDS,
        }
        data = urllib.parse.urlencode(query).encode()
        url = self.address + "/api/v1/query_range"
        with urllib.request.urlopen(url, data, TIMEOUT_SECONDS) as response:
            answers = json.load(response)["data"]["result"]
        found = []
        for answer in answers:
            points = [(float(at), float(value)) for at, value in answer["values"]]
            points = [point for point in points if math.isfinite(point[1])]
            if points:
                found.append((legend(target, answer["metric"]), with_gaps(points)))
        return sorted(found, key=lambda one: one[0])


def legend(target, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), target["legendFormat"])


def with_gaps(points):
    """Times and values, with a hole where Prometheus knows nothing."""
    times, values = [], []
    for at, value in points:
        if times and at - times[-1] > 1.5 * SCRAPE_SECONDS:
            times.append(at)
            values.append(math.nan)
        times.append(at)
        values.append(value)
    return times, values


def check(panels, source):
    """Prints what each query answers with."""
    for panel in panels:
        for target in panel.get("targets", []):
            print(f"{len(source.series(target)):3} series  {panel['title']}: {target['expr']}")


# ------------------------------------------------------------------------------ units


def number(value):
    """Three digits that count, and no zeros behind the point."""
    if value == 0 or abs(value) >= 1e15:
        return f"{value:.3g}"
    text = f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def scaled(value, factors, suffixes):
    at = 0
    while at + 1 < len(suffixes) and abs(value) >= factors[at]:
        value /= factors[at]
        at += 1
    return number(value) + suffixes[at]


def shown(value, unit):
    """A value as Grafana writes it in this unit."""
    if not math.isfinite(value):
        return "–"
    if unit == "s":
        if 0 < abs(value) < 1:
            return scaled(value * 1e6, [1000, 1000], [" µs", " ms", " s"])
        return scaled(value, [60, 60, 24], [" s", " min", " h", " d"])
    if unit == "percentunit":
        return number(value * 100) + " %"
    if unit == "bytes":
        return scaled(value, [1024] * 3, [" B", " KiB", " MiB", " GiB"])
    suffix = {"ops": "/s", "reqps": "/s", "short": ""}[unit]
    return scaled(value, [1000] * 3, ["", " k", " M", " G"]) + suffix


# ---------------------------------------------------------------------------- drawing


class Canvas:
    """The picture, in pixels from its upper left corner."""

    def __init__(self, panels):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
        self.width = COLUMNS * COLUMN_PIXELS + GAP_PIXELS
        self.height = rows * ROW_PIXELS + HEAD_PIXELS
        self.figure = pyplot.figure(
            figsize=(self.width / DOTS_PER_INCH, self.height / DOTS_PER_INCH),
            dpi=DOTS_PER_INCH,
            facecolor=BACKGROUND,
        )

    def text(self, x, y, text, **style):
        style = {"color": TEXT, "fontsize": 8, "va": "top", **style}
        self.figure.text(x / self.width, 1 - y / self.height, text, **style)

    def box(self, x, y, width, height):
        from matplotlib.patches import Rectangle

        left, bottom, *size = self.share(x, y, width, height)
        box = Rectangle((left, bottom), *size, transform=self.figure.transFigure)
        box.set(facecolor=PANEL, edgecolor="#dcdfe2", zorder=-1)
        self.figure.add_artist(box)

    def axes(self, x, y, width, height):
        return self.figure.add_axes(self.share(x, y, width, height))

    def share(self, x, y, width, height):
        """A box as parts of the whole, from the lower left corner."""
        bottom = 1 - (y + height) / self.height
        return x / self.width, bottom, width / self.width, height / self.height

    def save(self, path):
        self.figure.savefig(path, facecolor=BACKGROUND)
        # Few colours, so that the file is a third of its size.
        from PIL import Image

        with Image.open(path) as image:
            image.convert("RGB").quantize(128).save(path, optimize=True)


def place(panel):
    grid = panel["gridPos"]
    return (
        grid["x"] * COLUMN_PIXELS + GAP_PIXELS,
        grid["y"] * ROW_PIXELS + HEAD_PIXELS,
        grid["w"] * COLUMN_PIXELS - GAP_PIXELS,
        grid["h"] * ROW_PIXELS - GAP_PIXELS,
    )


def draw(dashboard, source, path):
    canvas = Canvas(dashboard["panels"])
    begin = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(source.start))
    end = time.strftime("%H:%M:%S UTC", time.gmtime(source.end))
    canvas.text(GAP_PIXELS, 14, dashboard["title"], fontsize=13, fontweight="bold")
    told = f"{begin} to {end}, all processes; dashed: a process starts"
    canvas.text(canvas.width - GAP_PIXELS, 18, told, ha="right")
    marks = source.marks(dashboard)
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            x, y, _, _ = place(panel)
            canvas.text(x, y + 4, "▾ " + panel["title"], fontsize=10, fontweight="bold")
            continue
        series = [one for target in panel["targets"] for one in source.series(target)]
        if panel["type"] == "stat":
            draw_stat(canvas, panel, series, source)
        else:
            draw_lines(canvas, panel, series, source, marks)
    canvas.save(path)


def draw_title(canvas, panel):
    x, y, width, height = place(panel)
    canvas.box(x, y, width, height)
    canvas.text(x + 8, y + 7, panel["title"], fontweight="bold")
    return x, y, width, height


def draw_stat(canvas, panel, series, source):
    x, y, width, height = draw_title(canvas, panel)
    if not series:
        canvas.text(x + width / 2, y + height / 2, "No data", color=FAINT, ha="center")
        return
    _, (times, values) = series[0]
    defaults = panel["fieldConfig"]["defaults"]
    colour = THRESHOLDS[threshold(values[-1], defaults["thresholds"]["steps"])]
    canvas.text(
        x + width / 2, y + height * 0.3, shown(values[-1], defaults["unit"]),
        fontsize=19, fontweight="bold", color=colour, ha="center",
    )  # fmt: skip
    axes = canvas.axes(x + 1, y + height * 0.62, width - 2, height * 0.38 - 1)
    axes.set_axis_off()
    axes.plot(times, values, color=colour, linewidth=1)
    axes.fill_between(times, values, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlim(source.start, source.end)
    axes.set_ylim(0, max([value for value in values if math.isfinite(value)] + [1e-9]) * 1.05)


def threshold(value, steps):
    return [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]


def draw_lines(canvas, panel, series, source, marks):
    x, y, width, height = draw_title(canvas, panel)
    if not series:
        canvas.text(x + width / 2, y + height / 2, "No data", color=FAINT, ha="center")
        return
    defaults = panel["fieldConfig"]["defaults"]
    styles = [style_of(panel, name) for name, _ in series]
    entries = legend_lines(series, styles, width)
    on_right = any(right for _, right in styles)
    room = (width - 70 - 46 * on_right, height - 58 - 15 * len(entries))
    left = canvas.axes(x + 58, y + 30, *room)
    right = left.twinx() if on_right else None
    for index, ((_, (times, values)), (_, is_right)) in enumerate(zip(series, styles, strict=True)):
        colour = LINES[index % len(LINES)]
        axes = right if is_right else left
        axes.plot(times, values, color=colour, linewidth=1.1)
        axes.fill_between(times, values, color=colour, alpha=0.08, linewidth=0)
    for mark in marks:
        left.axvline(mark, color="#3274d9", linewidth=0.8, linestyle=(0, (3, 3)))
    dress(left, defaults["unit"], source)
    if right:
        dress(right, next(unit for unit, is_right in styles if is_right), source)
    draw_legend(canvas, entries, x + 10, y + height - 7 - 15 * len(entries))


def style_of(panel, name):
    """The unit of a series, and whether its axis is the right one."""
    unit, right = panel["fieldConfig"]["defaults"]["unit"], False
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": name}:
            said = {one["id"]: one["value"] for one in override["properties"]}
            unit = said.get("unit", unit)
            right = said.get("custom.axisPlacement") == "right"
    return unit, right


def dress(axes, unit, source):
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(source.start, source.end)
    axes.set_ylim(0, max(axes.dataLim.y1 * 1.08, 0) or 1)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=axes.get_ylim()[1] > 2 and unit == "short"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, unit)))
    span = source.end - source.start
    steps = [60, 120, 300, 600, 1800, 3600, 7200, 14400]
    every = next((step for step in steps if span / step <= 6), 86400)
    first = math.ceil(source.start / every)
    axes.set_xticks([turn * every for turn in range(first, int(source.end // every) + 1)])
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda at, _: time.strftime("%H:%M", time.gmtime(at)))
    )
    axes.tick_params(labelsize=7, colors=TEXT, length=0)
    axes.grid(color="#e9ebed", linewidth=0.7)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def legend_lines(series, styles, width):
    """Names with the largest value, in as many lines as they need."""
    lines, used = [[]], 0
    for index, ((name, (_, values)), (unit, _)) in enumerate(zip(series, styles, strict=True)):
        largest = max(value for value in values if math.isfinite(value))
        text = f"{name}  max {shown(largest, unit)}"
        pixels = 22 + 5.4 * len(text)
        if lines[-1] and used + pixels > width - 20:
            lines.append([])
            used = 0
        lines[-1].append((used, LINES[index % len(LINES)], text))
        used += pixels
    if len(lines) > LEGEND_LINES_MAX:
        left_out = sum(len(line) for line in lines[LEGEND_LINES_MAX:])
        last = lines[LEGEND_LINES_MAX - 1]
        last[-1] = (last[-1][0], FAINT, f"… and {left_out + 1} more")
    return lines[:LEGEND_LINES_MAX]


def draw_legend(canvas, entries, x, y):
    for row, line in enumerate(entries):
        for offset, colour, text in line:
            canvas.text(x + offset, y + row * 15, "━", color=colour, fontsize=7)
            canvas.text(x + offset + 14, y + row * 15, text, fontsize=6.5)


def main():
    asked = arguments()
    dashboard = json.loads(DASHBOARD.read_text())
    source = Source(asked)
    if asked.check:
        check(dashboard["panels"], source)
    else:
        draw(dashboard, source, asked.out)


if __name__ == "__main__":
    main()
