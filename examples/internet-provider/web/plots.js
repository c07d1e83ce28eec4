// Plots on canvas: lines over the last two minutes, with axes, units, a legend and a common crosshair.

const SPAN_MS = 120_000;
const MARGIN = { left: 46, right: 10, top: 8, bottom: 20 };

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** A rate or a count in few characters. */
export function compact(value) {
  if (value >= 10_000) return `${number.format(value / 1000)}k`;
  return value >= 100 ? number.format(Math.round(value)) : number.format(value);
}

/** A time in a unit that suits it. */
export function duration(ms) {
  if (ms >= 60_000) return `${number.format(ms / 60_000)} min`;
  if (ms >= 1000) return `${number.format(ms / 1000)} s`;
  return `${ms >= 100 ? Math.round(ms) : number.format(ms)} ms`;
}

/** The next 1, 2 or 5 times a power of ten, so that the axis has round numbers. */
function niceStep(range, ticks) {
  const rough = range / ticks;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

export class Plot {
  /** `format` writes a value; `least` is the smallest top of the axis. */
  constructor(root, { format, least, empty }) {
    this.canvas = root.querySelector("canvas");
    this.legend = root.querySelector(".legend");
    this.format = format;
    this.least = least;
    this.empty = empty;
    this.series = [];
    this.hover = null;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  /** `series`: `[{name, colour, points: [[t, value | null]]}]`, oldest first. */
  set(series, now) {
    this.series = series;
    this.now = now;
    this.draw();
    this.drawLegend();
  }

  valueAt(points, t) {
    let best = null;
    for (const [time, value] of points) if (value !== null && Math.abs(time - t) < 1500) best = value;
    return best;
  }

  drawLegend() {
    const t = this.hover === null ? this.now : this.hover;
    const entries = this.series.map(({ name, colour, points }) => {
      const value = this.valueAt(points, t);
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.dataset.colour = colour;
      const label = document.createElement("span");
      label.textContent = name;
      const text = document.createElement("b");
      text.textContent = value === null ? "–" : this.format(value);
      item.append(swatch, label, text);
      return item;
    });
    this.legend.replaceChildren(...entries);
  }

  draw() {
    const scale = Math.min(2, window.devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    pen.font = "11px system-ui, sans-serif";

    const values = this.series.flatMap(({ points }) => points.map(([, value]) => value)).filter((v) => v !== null);
    const step = niceStep(Math.max(this.least, ...values) * 1.05, 3);
    const top = step * Math.ceil((Math.max(this.least, ...values) * 1.02) / step);
    const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const y = (value) => box.bottom - (value / top) * (box.bottom - box.top);
    const x = (t) => box.right - ((this.now - t) / SPAN_MS) * (box.right - box.left);

    this.drawAxes(pen, box, { step, top, y, x }, colour);
    if (values.length === 0) {
      pen.fillStyle = colour("--muted");
      pen.textAlign = "center";
      pen.fillText(this.empty, (box.left + box.right) / 2, (box.top + box.bottom) / 2 + 4);
      return;
    }
    pen.save();
    pen.beginPath();
    pen.rect(box.left, 0, box.right - box.left, height);
    pen.clip();
    for (const { points, colour: name } of this.series) drawLine(pen, points, x, y, colour(name));
    if (this.hover !== null) {
      pen.strokeStyle = colour("--muted");
      pen.setLineDash([3, 3]);
      pen.beginPath();
      pen.moveTo(x(this.hover), box.top);
      pen.lineTo(x(this.hover), box.bottom);
      pen.stroke();
    }
    pen.restore();
  }

  drawAxes(pen, box, { step, top, y, x }, colour) {
    pen.fillStyle = colour("--muted");
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    for (let value = 0; value <= top * 1.001; value += step) {
      const at = Math.round(y(value)) + 0.5;
      pen.beginPath();
      pen.moveTo(box.left, at);
      pen.lineTo(box.right, at);
      pen.stroke();
      pen.fillText(this.format(value), box.left - 7, at + 4);
    }
    pen.textAlign = "center";
    for (const seconds of [120, 90, 60, 30]) {
      const at = x(this.now - seconds * 1000);
      if (at >= box.left + 20) pen.fillText(`−${seconds} s`, at, box.bottom + 15);
    }
    pen.textAlign = "right";
    pen.fillText("now", box.right, box.bottom + 15);
  }

  /** Time under a pointer, or `null`. */
  timeAt(clientX) {
    const box = this.canvas.getBoundingClientRect();
    const share = (clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    return share < 0 || share > 1 ? null : this.now - (1 - share) * SPAN_MS;
  }
}

function drawLine(pen, points, x, y, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.75;
  pen.lineJoin = "round";
  pen.setLineDash([]);
  pen.beginPath();
  let down = false;
  for (const [t, value] of points) {
    if (value === null) {
      down = false;
    } else if (down) {
      pen.lineTo(x(t), y(value));
    } else {
      pen.moveTo(x(t), y(value));
      down = true;
    }
  }
  pen.stroke();
}

/** Lets all plots show the values under one pointer. */
export function linkPlots(plots) {
  const show = (t) => {
    for (const plot of plots) {
      plot.hover = t;
      plot.draw();
      plot.drawLegend();
    }
  };
  for (const plot of plots) {
    plot.canvas.addEventListener("pointermove", (event) => show(plot.timeAt(event.clientX)));
    plot.canvas.addEventListener("pointerleave", () => show(null));
  }
}
