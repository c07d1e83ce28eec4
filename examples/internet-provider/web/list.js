// The live list: a line per sign-up, with its options on a ruler of bandwidths, and all details on demand.

import { duration } from "./plots.js";

const MAX_LINES = 40;
// So long the own sign-up stays on top, however fast others come.
const PINNED_MS = 30_000;
const RULER_MAX = Math.log10(10_000);

const money = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const KINDS = [
  [/fibre/i, "fibre"],
  [/cable|dsl/i, "wire"],
  [/5g|4g|radio/i, "air"],
  [/satellite/i, "sky"],
];

/** fibre, wire, air or sky. */
function kindOf(technology) {
  return KINDS.find(([pattern]) => pattern.test(technology))?.[1] ?? "wire";
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** 8 Gbit/s, 300 Mbit/s */
export function bandwidth(mbps) {
  return mbps >= 1000 ? `${mbps / 1000} Gbit/s` : `${mbps} Mbit/s`;
}

/** "6 options from $20.90, up to 1 Gbit/s" */
export function summary(options) {
  const cheapest = Math.min(...options.map((option) => option.price_usd_month));
  const fastest = Math.max(...options.map((option) => option.down_mbps));
  const count = options.length === 1 ? "1 option" : `${options.length} options`;
  return `${count} from ${money.format(cheapest)}, up to ${bandwidth(fastest)}`;
}

/** Marks for each option between 1 Mbit/s and 10 Gbit/s, on a logarithmic scale. */
function ruler(options) {
  const box = make("span", "ruler");
  box.setAttribute("aria-hidden", "true");
  for (const option of options) {
    const mark = make("i", kindOf(option.technology));
    mark.style.setProperty("left", `${(100 * Math.log10(Math.max(1, option.down_mbps))) / RULER_MAX}%`);
    mark.title = `${option.plan}: ${bandwidth(option.down_mbps)}`;
    box.append(mark);
  }
  return box;
}

function table(options) {
  const node = make("table");
  const head = make("tr");
  for (const title of ["Plan", "Technology", "Down", "Up", "Per month"]) {
    const cell = make("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  node.append(make("thead"), make("tbody"));
  node.tHead.append(head);
  for (const option of options) {
    const row = make("tr");
    const name = make("th", "", option.plan);
    name.scope = "row";
    const technology = make("td");
    technology.append(make("i", `dot ${kindOf(option.technology)}`), option.technology);
    row.append(
      name,
      technology,
      make("td", "figure", bandwidth(option.down_mbps)),
      make("td", "figure", bandwidth(option.up_mbps)),
      make("td", "figure", money.format(option.price_usd_month)),
    );
    node.tBodies[0].append(row);
  }
  return node;
}

export class LiveList {
  constructor(list, empty, filter, paused) {
    this.list = list;
    this.empty = empty;
    this.filter = filter;
    this.paused = paused;
    this.items = new Map();
    this.nodes = new Map();
    this.held = new Map();
    this.reading = false;
    const update = () => this.setReading(list.matches(":hover") || list.matches(":focus-within"));
    for (const name of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      list.addEventListener(name, () => setTimeout(update));
    }
    filter.addEventListener("change", () => this.render());
  }

  /** While somebody reads the list, nothing moves; what comes in the meantime waits. */
  setReading(reading) {
    this.reading = reading;
    if (!reading && this.held.size) {
      const held = [...this.held.values()];
      this.held.clear();
      this.add(held);
    }
    this.paused.hidden = !this.held.size;
  }

  reset(items) {
    this.items.clear();
    this.held.clear();
    this.add(items);
  }

  add(items) {
    for (const item of items) {
      const known = this.items.has(item.id);
      if (this.reading && !known) {
        this.held.set(item.id, item);
        if (this.held.size > MAX_LINES) this.held.delete(this.held.keys().next().value);
      } else {
        this.items.set(item.id, item);
        this.nodes.get(item.id)?.remove();
        this.nodes.delete(item.id);
      }
    }
    this.paused.hidden = !this.held.size;
    if (items.length) this.render();
  }

  trim() {
    for (const origin of ["form", "generator"]) {
      const lines = [...this.items.values()].filter((item) => item.origin === origin);
      lines.sort((a, b) => a.put_at_ms - b.put_at_ms);
      for (const item of lines.slice(0, -MAX_LINES)) this.items.delete(item.id);
    }
    for (const [id, node] of this.nodes) {
      if (!this.items.has(id)) {
        node.remove();
        this.nodes.delete(id);
      }
    }
  }

  render() {
    this.trim();
    const now = Date.now();
    const pinned = (item) => item.origin === "form" && now - item.put_at_ms < PINNED_MS;
    const rank = (item) => item.put_at_ms + (pinned(item) ? 2 * PINNED_MS : 0);
    const shown = [...this.items.values()]
      .filter((item) => !this.filter.checked || item.origin === "form")
      .sort((a, b) => rank(b) - rank(a));
    const wanted = new Set(shown.map((item) => item.id));
    for (const [id, node] of this.nodes) if (!wanted.has(id)) node.remove();
    let before = this.list.firstChild;
    for (const item of shown) {
      let node = this.nodes.get(item.id);
      if (!node) {
        node = this.line(item);
        this.nodes.set(item.id, node);
      }
      if (node === before) before = before.nextSibling;
      else this.list.insertBefore(node, before);
    }
    this.empty.hidden = shown.length > 0;
  }

  line(item) {
    const node = make("li");
    node.dataset.id = item.id;
    node.dataset.status = item.status ?? "waiting";
    node.classList.toggle("mine", item.origin === "form");
    const open = document.querySelector(`li[data-id="${CSS.escape(item.id)}"] details`)?.open;
    const details = make("details");
    details.open = open ?? false;
    const head = make("summary");
    const who = make("span", "who");
    who.append(make("b", "", item.name || "Unknown"), make("span", "place", item.place));
    head.append(who, this.answer(item), this.time(item));
    details.append(head, this.body(item));
    node.append(details);
    return node;
  }

  answer(item) {
    const node = make("span", "answer");
    if (!item.status) {
      node.append(make("span", "waiting", "Looking up options"));
    } else if (item.status === "offered") {
      node.append(ruler(item.options), make("span", "", summary(item.options)));
    } else {
      node.append(make("span", "no", item.reason?.message ?? "No service here."));
    }
    return node;
  }

  time(item) {
    const node = make("span", "time");
    if (item.latency_ms !== undefined) node.textContent = duration(item.latency_ms);
    else if (item.status) node.textContent = "–";
    else node.append(make("i", "spinner"));
    node.title = item.earlier ? "From put to enrichment, in an earlier run" : "From put to offer";
    return node;
  }

  body(item) {
    const node = make("div", "body");
    if (item.options?.length) node.append(table(item.options));
    const facts = [`Signed up at ${clock.format(item.put_at_ms)}`];
    if (item.origin === "form") facts.push("with the form");
    if (item.earlier) facts.push("in an earlier run");
    if (item.distance_km > 0) facts.push(`${Math.round(item.distance_km)} km from the city centre`);
    node.append(make("p", "facts", `${facts.join(", ")}. Id ${item.id}`));
    return node;
  }
}
