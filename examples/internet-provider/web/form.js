// The sign-up form: a city by name, or a point by numbers or a click on the map.

import { bandwidth, summary } from "./list.js";
import { duration } from "./plots.js";

const WAIT_MS = 15_000;

export class SignUpForm {
  constructor(form, map) {
    this.form = form;
    this.map = map;
    this.fields = form.elements;
    this.note = form.querySelector(".note");
    this.button = form.querySelector("button[type=submit]");
    this.cities = new Map();
    this.pending = null;
    for (const radio of form.querySelectorAll("input[name=kind]")) {
      radio.addEventListener("change", () => this.showKind());
    }
    for (const name of ["latitude", "longitude"]) {
      this.fields[name].addEventListener("input", () => this.markPoint());
    }
    this.fields.city.addEventListener("input", () => this.markCity());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.showKind();
  }

  async loadPlaces() {
    const { countries, cities } = await (await fetch("/api/places")).json();
    const names = new Map(countries);
    const options = document.createDocumentFragment();
    // The largest first: browsers show the first matches only.
    for (const [city, code, latitude, longitude] of cities.sort((a, b) => b[4] - a[4])) {
      const label = `${city}, ${names.get(code)}`;
      this.cities.set(label.toLowerCase(), { city, country: code, latitude, longitude });
      const option = document.createElement("option");
      option.value = label;
      options.append(option);
    }
    document.getElementById("cities").replaceChildren(options);
    document.getElementById("extent").textContent =
      `${cities.length.toLocaleString("en")} cities in ${countries.length} countries and territories`;
  }

  get kind() {
    return this.fields.kind.value;
  }

  showKind() {
    for (const part of this.form.querySelectorAll("[data-kind]")) part.hidden = part.dataset.kind !== this.kind;
    if (this.kind === "city") this.markCity();
    else this.markPoint();
  }

  /** The map was clicked. */
  pickPoint(latitude, longitude) {
    this.fields.kind.value = "point";
    this.showKind();
    this.fields.latitude.value = latitude.toFixed(2);
    this.fields.longitude.value = longitude.toFixed(2);
    this.markPoint();
    this.say("");
  }

  markPoint() {
    const [latitude, longitude] = [this.fields.latitude.valueAsNumber, this.fields.longitude.valueAsNumber];
    const valid = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
    this.map.mark(valid ? latitude : null, longitude);
  }

  markCity() {
    const known = this.cities.get(this.fields.city.value.trim().toLowerCase());
    this.map.mark(known ? known.latitude : null, known?.longitude);
  }

  /** The place as the API takes it, or `null` after saying what is missing. */
  place() {
    if (this.kind === "point") {
      const [latitude, longitude] = [this.fields.latitude.valueAsNumber, this.fields.longitude.valueAsNumber];
      if (Number.isFinite(latitude) && Number.isFinite(longitude)) return { latitude, longitude };
      this.fail("latitude", "Please give latitude and longitude, or click the map.");
      return null;
    }
    const text = this.fields.city.value.trim();
    const known = this.cities.get(text.toLowerCase());
    if (known) return { city: known.city, country: known.country };
    const comma = text.lastIndexOf(",");
    if (comma > 0) return { city: text.slice(0, comma).trim(), country: text.slice(comma + 1).trim() };
    if (text) return { city: text };
    this.fail("city", "Please choose a city.");
    return null;
  }

  say(text, tone = "") {
    this.note.textContent = text;
    this.note.dataset.tone = tone;
  }

  fail(field, message) {
    const names = { place: this.kind === "point" ? "latitude" : "city" };
    const input = this.fields[names[field] ?? field];
    this.say(message, "error");
    if (input instanceof HTMLElement) {
      input.setAttribute("aria-invalid", "true");
      input.focus();
    }
  }

  async submit() {
    for (const input of this.form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    if (!this.fields.name.value.trim()) return this.fail("name", "Please enter a name.");
    if (!this.fields.email.value.trim()) return this.fail("email", "Please enter an e-mail address.");
    const place = this.place();
    if (!place) return undefined;
    this.button.disabled = true;
    this.say("Putting the sign-up into the stream …");
    try {
      const body = JSON.stringify({ name: this.fields.name.value, email: this.fields.email.value, place });
      const headers = { "content-type": "application/json" };
      const response = await fetch("/api/signups", { method: "POST", headers, body });
      const answer = await response.json();
      if (response.ok) this.await(answer.id);
      else this.fail(answer.field, answer.message);
    } catch {
      this.fail("", "The application does not answer. Is it still running?");
    } finally {
      this.button.disabled = false;
    }
    return undefined;
  }

  /** The sign-up is in the stream; its offer comes with the events, and may be here already. */
  await(id) {
    clearTimeout(this.timer);
    this.pending = id;
    this.say("Signed up. Waiting for the offer …");
    const early = this.early?.get(id);
    if (early) this.answered(early);
    this.timer = setTimeout(() => {
      if (this.pending === id) this.say("Signed up. The offer takes longer than usual; it will appear in the list.");
    }, WAIT_MS);
  }

  /** Looks for the answer to the form's own sign-up among new lines of the list. */
  watch(items) {
    this.early = new Map(items.filter((item) => item.origin === "form" && item.status).map((item) => [item.id, item]));
    const own = this.early.get(this.pending);
    if (own) this.answered(own);
  }

  answered(item) {
    this.pending = null;
    if (item.status !== "offered") return this.say(item.reason?.message ?? "No service here.", "error");
    const best = item.options.reduce((a, b) => (b.down_mbps > a.down_mbps ? b : a));
    return this.say(
      `${item.place}: ${summary(item.options)}, found in ${duration(item.latency_ms)}. ` +
        `The fastest is ${best.plan} by ${best.technology} (${bandwidth(best.down_mbps)}).`,
      "good",
    );
  }
}
