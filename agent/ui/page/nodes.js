// Making the nodes of the page, and the words for sizes, times and states. Text goes in as text, never as markup.
// Nothing here asks for anything.

export const at = (id) => document.getElementById(id);

export function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) node.setAttribute(name, String(value));
  node.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return node;
}

export function draw(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children.flat());
  return node;
}

const shown = new Map();
/** Leaves alone what says the same as before, so that screen readers and selections are not disturbed. */
export function show(id, facts, make) {
  const text = JSON.stringify(facts) ?? "";
  if (shown.get(id) === text) return;
  shown.set(id, text);
  at(id).replaceChildren(...[make()].flat());
}

export const chip = (text, tone = "") => el("span", { class: `chip ${tone}` }, text);
export const soft = (text) => el("p", { class: "soft" }, text);
export function table(rows) {
  const known = rows.filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return known.length === 0
    ? soft("Nothing is known.")
    : el(
        "dl",
        {},
        known.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
      );
}

// ---- words ----

export function bytes(count) {
  if (typeof count !== "number") return "?";
  for (const [unit, size] of [
    ["GB", 1e9],
    ["MB", 1e6],
    ["kB", 1e3],
  ])
    if (count >= size) return `${(count / size).toFixed(count < 10 * size ? 2 : 1)} ${unit}`;
  return `${count} B`;
}

export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} days`;
}

export const moment = (time) =>
  String(time ?? "")
    .replace("T", " ")
    .replace(/\.\d+Z$|Z$/, " UTC");
export const ago = (time, now) => `${span(Math.max(0, Date.parse(now) - Date.parse(time)))} ago`;
export const unit = (value, name) => (value === undefined ? undefined : `${value} ${name}`);
export const joined = (...parts) => parts.filter((part) => part !== undefined && part !== "").join(" · ");
export const tones = {
  ok: "good",
  warn: "warn",
  act: "bad",
  breach: "bad",
  throttle: "bad",
  block: "bad",
  match: "good",
  mismatch: "bad",
  up: "good",
};
