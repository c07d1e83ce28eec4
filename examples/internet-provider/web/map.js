// The world map: dots of land, night where it is night, a pulse for every sign-up, and a crosshair to pick a place.

import { ASPECT, NORTH, SOUTH, daylight, formatPoint, landDots, project, subsolarPoint, unproject } from "./world.js";

const PULSE_MS = 1400;
const MAX_PULSES = 400;
const CAPTIONS_PX = 500;
const PARALLELS = [
  [60, "60° N"],
  [30, "30° N"],
  [0, "Equator"],
  [-30, "30° S"],
];
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Colours of the style sheet, read again when the scheme changes. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    land: read("--map-land"),
    night: read("--map-night"),
    grid: read("--map-grid"),
    text: read("--muted"),
    offered: read("--pulse"),
    unserved: read("--violet"),
    rejected: read("--red"),
    mine: read("--ink"),
    sea: read("--sea"),
  };
}

export class WorldMap {
  /** `pick(latitude, longitude)` is called when a place was chosen, by mouse, touch or keyboard. */
  constructor(canvas, readout, pick) {
    this.canvas = canvas;
    canvas.style.aspectRatio = String(ASPECT);
    this.readout = readout;
    this.pick = pick;
    this.base = document.createElement("canvas");
    this.pulses = [];
    this.cursor = null;
    this.chosen = null;
    this.colours = palette();
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours = palette();
      this.drawBase();
    });
    setInterval(() => this.drawBase(), 60_000);
    this.listen();
    this.resize();
    const frame = () => {
      this.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  listen() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return unproject((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    };
    this.canvas.addEventListener("pointermove", (event) => this.point(at(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("click", (event) => this.choose(at(event)));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const step = event.shiftKey ? 10 : 2;
    const moves = { ArrowUp: [step, 0], ArrowDown: [-step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
    const [latitude, longitude] = this.cursor ?? this.chosen ?? [20, 0];
    if (moves[event.key]) {
      const [north, east] = moves[event.key];
      const turned = ((longitude + east + 540) % 360) - 180;
      this.point([Math.min(NORTH - 1, Math.max(SOUTH + 1, latitude + north)), turned]);
    } else if ((event.key === "Enter" || event.key === " ") && this.cursor) {
      this.choose(this.cursor);
    } else {
      return;
    }
    event.preventDefault();
  }

  point(place) {
    this.cursor = place;
    this.readout.textContent = place ? formatPoint(...place) : "";
  }

  choose([latitude, longitude]) {
    this.mark(latitude, longitude);
    this.pick(latitude, longitude);
  }

  /** Shows a pin at a place that was chosen here or in the form. */
  mark(latitude, longitude) {
    this.chosen = latitude === null ? null : [latitude, longitude];
  }

  pulse(latitude, longitude, status, delay = 0) {
    if (latitude > NORTH || latitude < SOUTH) return;
    if (this.pulses.length >= MAX_PULSES) this.pulses.shift();
    this.pulses.push({ at: project(latitude, longitude), status, start: performance.now() + delay });
  }

  resize() {
    const width = Math.max(1, this.canvas.clientWidth);
    const scale = Math.min(2, window.devicePixelRatio || 1);
    this.scale = scale;
    this.width = width;
    this.height = width / ASPECT;
    for (const canvas of [this.canvas, this.base]) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(this.height * scale);
    }
    const columns = Math.round(Math.min(230, Math.max(120, width / 4.6)));
    this.dots = landDots(columns);
    this.spacing = width / columns;
    this.drawBase();
  }

  drawBase() {
    const pen = this.base.getContext("2d");
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.drawGrid(pen);
    const sun = subsolarPoint(new Date());
    const radius = this.spacing * 0.34;
    for (const [x, y, latitude, longitude] of this.dots) {
      pen.fillStyle = daylight(latitude, longitude, sun) > -0.05 ? this.colours.land : this.colours.night;
      pen.beginPath();
      pen.arc(x * this.width, y * this.height, radius, 0, 7);
      pen.fill();
    }
    this.drawCaptions(pen);
  }

  drawGrid(pen) {
    pen.strokeStyle = this.colours.grid;
    pen.lineWidth = 1;
    for (const [latitude] of PARALLELS) {
      const y = Math.round(project(latitude, 0)[1] * this.height) + 0.5;
      pen.setLineDash(latitude === 0 ? [] : [2, 5]);
      pen.beginPath();
      pen.moveTo(0, y);
      pen.lineTo(this.width, y);
      pen.stroke();
    }
    pen.setLineDash([]);
  }

  drawCaptions(pen) {
    if (this.width < CAPTIONS_PX) return;
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = this.colours.sea;
    pen.fillStyle = this.colours.text;
    for (const [latitude, label] of PARALLELS) {
      const y = Math.round(project(latitude, 0)[1] * this.height) - 5;
      pen.strokeText(label, 12, y);
      pen.fillText(label, 12, y);
    }
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.base, 0, 0);
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    const now = performance.now();
    this.pulses = this.pulses.filter((pulse) => now - pulse.start < PULSE_MS);
    for (const pulse of this.pulses) this.drawPulse(pen, pulse, (now - pulse.start) / PULSE_MS);
    pen.globalAlpha = 1;
    if (this.chosen) this.drawPin(pen, ...this.chosen);
    if (this.cursor) this.drawCrosshair(pen, ...this.cursor);
  }

  drawPulse(pen, { at, status }, age) {
    if (age < 0) return;
    const [x, y] = [at[0] * this.width, at[1] * this.height];
    pen.fillStyle = pen.strokeStyle = this.colours[status] ?? this.colours.offered;
    pen.globalAlpha = 1 - age;
    pen.beginPath();
    pen.arc(x, y, Math.max(1.8, this.spacing * 0.55), 0, 7);
    pen.fill();
    if (still.matches) return;
    pen.globalAlpha = 0.75 * (1 - age) ** 1.5;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(x, y, 2 + 13 * (1 - (1 - age) ** 2), 0, 7);
    pen.stroke();
  }

  drawPin(pen, latitude, longitude) {
    const [x, y] = project(Math.min(NORTH, Math.max(SOUTH, latitude)), longitude);
    const [px, py] = [x * this.width, y * this.height];
    pen.strokeStyle = pen.fillStyle = this.colours.mine;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(px, py, 9, 0, 7);
    pen.stroke();
    pen.beginPath();
    pen.arc(px, py, 3, 0, 7);
    pen.fill();
  }

  drawCrosshair(pen, latitude, longitude) {
    const [x, y] = project(latitude, longitude);
    const [px, py] = [x * this.width, y * this.height];
    pen.strokeStyle = this.colours.mine;
    pen.globalAlpha = 0.6;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(px, 0);
    pen.lineTo(px, this.height);
    pen.moveTo(0, py);
    pen.lineTo(this.width, py);
    pen.stroke();
    pen.globalAlpha = 1;
  }
}
