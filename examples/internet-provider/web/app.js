// Connects the page to its server: events in, sign-ups and the rate out.

import { SignUpForm } from "./form.js";
import { LiveList } from "./list.js";
import { WorldMap } from "./map.js";
import { Plot, compact, duration, linkPlots } from "./plots.js";

const SPAN_MS = 125_000;
const RETRY_MS = 1500;
const SILENCE_MS = 6000;
const SLIDER_MAX = 1000;
const SHARD_COLOURS = ["--teal", "--signal", "--ochre", "--violet", "--blue", "--red"];
const MAX_AGE_LINES = SHARD_COLOURS.length;

const $ = (id) => document.getElementById(id);

const map = new WorldMap($("map"), $("readout"), (latitude, longitude) => form.pickPoint(latitude, longitude));
const form = new SignUpForm($("signup"), map);
const list = new LiveList($("list"), $("list-empty"), $("only-mine"), $("paused"));
const plots = {
  rate: new Plot($("plot-rate"), { format: compact, least: 4, empty: "Nothing put yet" }),
  latency: new Plot($("plot-latency"), { format: duration, least: 10, empty: "No offers in the last two minutes" }),
  age: new Plot($("plot-age"), { format: duration, least: 10, empty: "No sign-ups yet" }),
};
linkPlots(Object.values(plots));

let samples = [];
let maxRate = 5000;
let tickMs = 500;

// --- counters -------------------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en");

function showCounts(counts, overall) {
  for (const name of ["put", "enriched", "waiting", "lost", "duplicates"]) {
    const node = $(`count-${name}`);
    const text = whole.format(counts[name]);
    if (node.textContent !== text) node.textContent = text;
    node.parentElement.dataset.zero = counts[name] === 0;
  }
  $("count-p50").textContent = counts.enriched ? duration(overall.p50) : "–";
  $("count-p99").textContent = counts.enriched ? `p99 ${duration(overall.p99)}` : "p99 –";
  const notes = [];
  if (counts.unserved) notes.push(`${whole.format(counts.unserved)} out of reach`);
  if (counts.rejected) notes.push(`${whole.format(counts.rejected)} rejected`);
  $("note-enriched").textContent = notes.join(", ") || "with an offer";
  $("note-put").textContent = counts.failed ? `${whole.format(counts.failed)} not taken` : "acknowledged";
}

// --- plots ----------------------------------------------------------------------------------------------------------

const points = (read) => samples.map((sample) => [sample.t, read(sample) ?? null]);

function showPlots() {
  if (!samples.length) return;
  const now = samples.at(-1).t;
  const any = samples.some((sample) => sample.put > 0 || sample.enriched > 0);
  plots.rate.set(
    any
      ? [
          { name: "sign-ups put", colour: "--teal", points: points((sample) => sample.put) },
          { name: "offers read", colour: "--signal", points: points((sample) => sample.enriched) },
        ]
      : [],
    now,
  );
  plots.latency.set(
    [
      { name: "p50", colour: "--teal", points: points((sample) => sample.latency?.p50) },
      { name: "p99", colour: "--signal", points: points((sample) => sample.latency?.p99) },
    ],
    now,
  );
  const shards = [...new Set(samples.flatMap((sample) => sample.ages.map(([shard]) => shard)))].sort();
  plots.age.set(ageLines(shards), now);
}

/** A line per shard; with many shards, the worst of them in one line. */
function ageLines(shards) {
  if (shards.length > MAX_AGE_LINES) {
    const worst = (sample) => (sample.ages.length ? Math.max(...sample.ages.map(([, age]) => age)) : null);
    return [{ name: `oldest of ${shards.length} shards`, colour: "--signal", points: points(worst) }];
  }
  return shards.map((shard, index) => ({
    name: shard.replace(/^shardId-0*(?=\d)/, "shard "),
    colour: SHARD_COLOURS[index],
    points: points((sample) => sample.ages.find(([name]) => name === shard)?.[1]),
  }));
}

// --- rate -----------------------------------------------------------------------------------------------------------

const slider = $("rate");
const rateBox = $("rate-number");
let rateTimer = null;
let touched = 0;

/** The slider is logarithmic, with 0 at its left end. */
const toRate = (position) => {
  if (position <= 0) return 0;
  const exact = 10 ** ((position / SLIDER_MAX) * Math.log10(maxRate + 1)) - 1;
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(exact, 1))) - 1);
  return Math.min(maxRate, Math.max(0.1, exact < 10 ? Math.round(exact * 10) / 10 : Math.round(exact / digits) * digits));
};
const toPosition = (rate) => Math.round((SLIDER_MAX * Math.log10(rate + 1)) / Math.log10(maxRate + 1));

function showRate(rate, from) {
  if (from !== slider) slider.value = toPosition(rate);
  if (from !== rateBox) rateBox.value = rate;
  slider.setAttribute("aria-valuetext", `${rate} sign-ups per second`);
  slider.style.setProperty("--filled", `${(100 * slider.value) / SLIDER_MAX}%`);
}

function changeRate(rate, from) {
  touched = performance.now();
  showRate(rate, from);
  clearTimeout(rateTimer);
  rateTimer = setTimeout(async () => {
    try {
      const headers = { "content-type": "application/json" };
      await fetch("/api/rate", { method: "POST", headers, body: JSON.stringify({ rate }) });
    } catch {
      disconnected();
    }
  }, 120);
}

slider.addEventListener("input", () => changeRate(toRate(slider.valueAsNumber), slider));
rateBox.addEventListener("change", () => {
  const rate = Math.min(maxRate, Math.max(0, rateBox.valueAsNumber || 0));
  changeRate(rate, null);
});

// --- events ---------------------------------------------------------------------------------------------------------

let source = null;
let lastEvent = 0;

function banner(text, kind) {
  const node = $("banner");
  if (node.textContent !== text) node.textContent = text;
  node.dataset.kind = kind;
  node.hidden = !text;
}

function status(text, state) {
  $("status").textContent = text;
  $("status").dataset.state = state;
}

function disconnected() {
  if (source) source.close();
  source = null;
  status("Not connected", "down");
  banner("The application does not answer. What you see is the last it sent; this page connects again by itself.", "down");
  setTimeout(connect, RETRY_MS);
}

function hello(message) {
  maxRate = message.max_rate;
  tickMs = message.tick_ms;
  rateBox.max = maxRate;
  $("endpoint").textContent = message.endpoint.replace(/^https?:\/\//, "");
  samples = message.samples;
  list.reset(message.items);
  showRate(message.rate);
  showPlots();
  status("Live", "up");
  banner("", "");
}

function tick(message) {
  samples.push(message.sample);
  const oldest = message.sample.t - SPAN_MS;
  while (samples.length && samples[0].t < oldest) samples.shift();
  showCounts(message.counts, message.overall);
  showPlots();
  form.watch(message.items);
  list.add(message.items);
  message.points.forEach(([latitude, longitude, state], index) => {
    map.pulse(latitude, longitude, state, (index / message.points.length) * tickMs);
  });
  if (performance.now() - touched > 2000 && document.activeElement !== rateBox) showRate(message.rate);
  banner(message.trouble ? `Trouble: ${message.trouble}` : "", "trouble");
}

function connect() {
  if (source) return;
  const opened = new EventSource("/api/events");
  source = opened;
  lastEvent = performance.now();
  opened.onmessage = (event) => {
    lastEvent = performance.now();
    const message = JSON.parse(event.data);
    if (message.type === "hello") hello(message);
    else tick(message);
  };
  opened.onerror = () => {
    if (source === opened) disconnected();
  };
}

setInterval(() => {
  if (source && performance.now() - lastEvent > SILENCE_MS) disconnected();
}, 1000);

form.loadPlaces().catch(disconnected);
connect();
