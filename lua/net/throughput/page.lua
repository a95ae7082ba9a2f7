-- The page that draws a test while it runs: one file, nothing from elsewhere. It is drawn as
-- plot.lua draws: curves differ by their dashes and labels.

return [==[<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>soquete throughput</title>
<style>
  body { font: 16px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 56em; padding: 0 1em; }
  #rate { font-size: 2em; font-variant-numeric: tabular-nums; }
  #state { color: #555; }
  canvas { width: 100%; height: 170px; display: block; }
  canvas[hidden] { display: none; }
  #sums { overflow-x: auto; }
  h2 { font-size: 1em; margin: 1.2em 0 0.2em; }
  table { border-collapse: collapse; margin-top: 1.5em; }
  td, th { border-bottom: 1px solid #ccc; padding: 0.3em 0.9em 0.3em 0; text-align: right; }
  th:first-child, td:first-child { text-align: left; }
</style>
</head>
<body>
<h1>soquete throughput</h1>
<div id="rate" aria-live="off">waiting for the first interval</div>
<div id="state" role="status">running</div>
<h2>Throughput</h2><canvas id="bits_per_second" role="img"></canvas>
<h2>Round-trip time</h2><canvas id="rtt_us" role="img"></canvas>
<h2>Congestion window</h2><canvas id="congestion_window_bytes" role="img"></canvas>
<div id="sums"><table id="result" hidden><thead><tr><th></th><th>rate</th><th>bytes</th><th>seconds</th>
<th>retransmitted</th><th>lost datagrams</th></tr></thead><tbody></tbody></table></div>
<script>
"use strict";
const rows = [], directions = ["to_server", "from_server"];
const names = { to_server: "to server", from_server: "from server" };
const dashes = { to_server: [], from_server: [7, 4] };

function scaled(value, base, prefixes, unit) {
  let i = 0;
  while (value >= base && i < prefixes.length - 1) { value /= base; i++; }
  return value.toFixed(i === 0 ? 0 : value >= 100 ? 1 : 2) + " " + prefixes[i] + unit;
}
const format = {
  bits_per_second: v => scaled(v, 1000, ["", "k", "M", "G", "T"], "bit/s"),
  congestion_window_bytes: v => scaled(v, 1024, ["", "Ki", "Mi", "Gi"], "B"),
  rtt_us: v => (v / 1000).toFixed(3) + " ms",
};
const axes = {
  bits_per_second: { least: 1 }, congestion_window_bytes: { binary: true }, rtt_us: { least: 1 },
};

// How far apart the lines of an axis are: as plot.lua has it.
function stepOf(most, axis) {
  const least = Math.max(most / 5, axis.least || 0);
  if (least <= 0) return 1;
  if (axis.binary) return 2 ** Math.ceil(Math.log2(least));
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map(s => s * power).find(s => s >= least * (1 - 1e-9));
}
function linesOf(most, axis) {
  const step = stepOf(most, axis), count = Math.max(1, Math.ceil(most / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, i) => i * step);
}
const short = text => text.replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");

function draw(key) {
  const canvas = document.getElementById(key), scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = 170, left = 90, right = 120, top = 10, bottom = 24;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const g = canvas.getContext("2d");
  g.scale(scale, scale);
  const series = directions.map(d => rows.filter(r => r[d] && r[d][key] !== undefined)
    .map(r => [r.to_seconds, r[d][key]]));
  const values = series.flat().map(p => p[1]);
  const known = values.length > 0;
  canvas.hidden = canvas.previousElementSibling.hidden = rows.length > 0 && !known;
  if (!known) return;
  const lines = linesOf(Math.max(...values), axes[key]), most = lines[lines.length - 1];
  const last = rows[rows.length - 1].to_seconds;
  canvas.setAttribute("aria-label", `from 0 to ${short(format[key](most))} in ${last.toFixed(1)} s`);
  const x = s => left + (width - left - right) * s / last;
  const y = v => height - bottom - (height - top - bottom) * v / most;
  g.font = "12px sans-serif";
  g.strokeStyle = "#bbb";
  g.fillStyle = "#000";
  g.textAlign = "right";
  for (const v of lines) {
    g.beginPath(); g.moveTo(left, y(v)); g.lineTo(width - right, y(v)); g.stroke();
    g.fillText(short(format[key](v)), left - 6, y(v) + 4);
  }
  g.textAlign = "center";
  for (const s of linesOf(last, {}).filter(s => s <= last)) {
    g.fillText(Number(s.toPrecision(4)) + " s", x(s), height - 8);
  }
  g.strokeStyle = "#000";
  g.lineWidth = 1.8;
  const ends = [];
  series.forEach((points, i) => {
    if (points.length === 0) return;
    g.setLineDash(dashes[directions[i]]);
    g.beginPath();
    g.moveTo(x(0), y(points[0][1]));
    for (const p of points) g.lineTo(x(p[0]), y(p[1]));
    g.stroke();
    ends.push([y(points[points.length - 1][1]), directions[i]]);
  });
  let below = -100;
  g.textAlign = "left";
  for (const [at, direction] of ends.sort((a, b) => a[0] - b[0])) {
    below = Math.max(at, below + 15);
    g.setLineDash(dashes[direction]);
    g.beginPath(); g.moveTo(width - right + 8, below); g.lineTo(width - right + 34, below); g.stroke();
    g.fillText(names[direction], width - right + 40, below + 4);
  }
}

// In large letters: the last interval's rates, in the end those of the whole test.
function tell(sums) {
  document.getElementById("rate").textContent = directions.filter(d => sums[d])
    .map(d => format.bits_per_second(sums[d].bits_per_second) + " " + names[d]).join(", ");
}

function show() {
  Object.keys(format).forEach(draw);
}

function cell(line, text) {
  line.insertCell().textContent = text === undefined ? "" : text;
}

function finish(figures) {
  document.getElementById("state").textContent = "finished";
  const body = document.querySelector("#result tbody"), received = {};
  for (const d of directions) {
    if (!figures[d]) continue;
    received[d] = figures[d].received;
    for (const side of ["sent", "received"]) {
      const part = figures[d][side], line = body.insertRow();
      cell(line, side + " " + names[d]);
      cell(line, format.bits_per_second(part.bits_per_second));
      cell(line, format.congestion_window_bytes(part.bytes));
      cell(line, part.seconds.toFixed(2));
      cell(line, part.retransmits);
      cell(line, part.lost_datagrams);
    }
  }
  tell(received);
  document.getElementById("result").hidden = false;
}

const source = new EventSource("/events");
source.addEventListener("open", () => {
  rows.length = 0;
  document.getElementById("state").textContent = "running";
});
source.addEventListener("interval", e => {
  const row = JSON.parse(e.data);
  rows.push(row);
  tell(row);
  show();
});
source.addEventListener("result", e => { source.close(); finish(JSON.parse(e.data)); });
source.addEventListener("error", () => {
  document.getElementById("state").textContent = "no connection to the program";
});
window.addEventListener("resize", show);
</script>
</body>
</html>
]==]
