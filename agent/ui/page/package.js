// The last package as a sequence diagram: of the events that were heard, and of the records from before.
// The same is told as a list.
import { bytes, draw, el, joined, show, soft, span } from "./nodes.js";
import { get } from "./session.js";
import { factsOf, ofTrail, trail } from "./trail.js";

const auditPage = 500;
const maxSteps = 150;

const lanes = ["eIM", "simward", "eUICC", "SM-DP+", "network"];
/** Kinds of events and records: between which lanes, and what to say of them. A step is placed by its interface. */
const arrows = {
  "package.received": ["eIM", "simward"],
  "injection.received": ["eIM", "simward"],
  "injection.answered": ["simward", "eIM"],
  "injection.refused": ["simward", "eIM"],
  "package.executed": ["eUICC", "simward"],
  "package.reported": ["simward", "eIM"],
  "package.unreported": ["simward", "eIM"],
  "acknowledgement.taken": ["eIM", "simward"],
  "profile.enabled": ["eUICC", "simward"],
  "profile.disabled": ["eUICC", "simward"],
  "profile.deleted": ["eUICC", "simward"],
  "profile.rolledBack": ["eUICC", "simward"],
  "profile.online": ["network", "simward"],
  "profile.offline": ["network", "simward"],
  "network.changed": ["network", "simward"],
  "download.metadata": ["SM-DP+", "simward"],
  "notification.delivered": ["simward", "SM-DP+"],
};
const beginners = new Set(["package.received", "injection.received", "download.started", "package.malformed"]);
const failing = /failed|unreported|refused|malformed|rolledBack|offline/i;
const interfaces = [
  [/^ESipa/, "eIM"],
  [/^ES10/, "eUICC"],
  [/^ES(9|11)/, "SM-DP+"],
];
const hidden = new Set([
  "schema",
  "id",
  "time",
  "kind",
  "traceId",
  "sha256",
  "name",
  "durationMs",
  "sentBytes",
  "receivedBytes",
  "eimId",
  "error",
]);
export const events = [];
/** Records of the last package where it began before what the trail holds here. */
let packageRecords = [];
export async function findPackage() {
  if (trail.some(({ record }) => beginners.has(record.event))) {
    packageRecords = [];
    return;
  }
  if (packageRecords.length > 0) return;
  const asked = await Promise.all([...beginners].map((event) => get(`/audit?last=1&event=${event}`)));
  const newest = asked.flatMap(({ ok, body }) => (ok ? body.records : [])).sort((a, b) => b.seq - a.seq)[0];
  if (newest === undefined) return;
  const { ok, body } = await get(`/audit?first=${auditPage}&after=${newest.seq - 1}`);
  if (ok) packageRecords = body.records.filter(({ data }) => data?.traceId === newest.data?.traceId).map(ofTrail);
}

function stepOf({ kind, time, facts }) {
  if (kind === "step") {
    const to = interfaces.find(([pattern]) => pattern.test(facts.name))?.[1];
    const sizes = `${bytes(facts.sentBytes)} → ${bytes(facts.receivedBytes)}`;
    return {
      time,
      from: "simward",
      to: to ?? "simward",
      both: true,
      text: joined(facts.name, sizes, span(facts.durationMs), facts.error),
      failed: facts.error !== undefined,
    };
  }
  const [from, to] = arrows[kind] ?? ["simward", "simward"];
  const rest = Object.fromEntries(
    Object.entries(facts).filter(
      ([name, value]) => !hidden.has(name) && value !== undefined && value !== null && typeof value !== "object",
    ),
  );
  const duration = typeof facts.durationMs === "number" ? span(facts.durationMs) : undefined;
  const codes = Array.isArray(facts.outcomes)
    ? facts.outcomes.map((one) => `${one.name}: ${one.code}`).join(", ")
    : Array.isArray(facts.operations)
      ? facts.operations.join(", ")
      : undefined;
  return {
    time,
    from,
    to,
    both: false,
    text: joined(kind, codes, duration, facts.error?.code),
    more: factsOf(rest),
    failed: failing.test(kind),
  };
}

const knownRecords = () => [...trail, ...packageRecords.filter(({ record }) => record.seq < (trail.at(-1)?.record.seq ?? 0))];

/** Events know the steps, the trail knows what was before this page: of each kind the one that tells more of it. */
function lastPackage() {
  const told = [
    ...knownRecords()
      .filter(({ record }) => typeof record.data?.traceId === "string")
      .map(({ record }) => ({ kind: record.event, time: record.time, facts: record.data, trace: record.data.traceId, recorded: true })),
    ...events.map((event) => ({ kind: event.kind, time: event.time, facts: event, trace: event.traceId, recorded: false })),
  ];
  let newest;
  for (const one of told) if (beginners.has(one.kind) && (newest === undefined || one.time >= newest.time)) newest = one;
  if (newest === undefined) return undefined;
  const kinds = new Map();
  for (const one of told) {
    if (one.trace !== newest.trace || one.kind === "segment") continue;
    const lists = kinds.get(one.kind) ?? [[], []];
    lists[one.recorded ? 0 : 1].push(one);
    kinds.set(one.kind, lists);
  }
  const all = [...kinds.values()]
    .flatMap(([records, live]) => (live.length >= records.length ? live : records))
    .sort((a, b) => a.time.localeCompare(b.time));
  const segments = events.filter((event) => event.kind === "segment" && event.traceId === newest.trace);
  return { trace: newest.trace, eimId: newest.facts.eimId, steps: all.map(stepOf), segments: segments.length };
}

export function showPackage() {
  const last = lastPackage();
  show("package", last, () => {
    if (last === undefined) return soft("No package is among what is remembered.");
    const begin = Date.parse(last.steps[0].time);
    const tookMs = Date.parse(last.steps[last.steps.length - 1].time) - begin;
    const steps = last.steps.slice(0, maxSteps);
    const left = last.steps.length - steps.length;
    const words = joined(
      `From ${last.eimId ?? "an eIM"}`,
      `trace ${last.trace}`,
      `${last.steps.length} steps in ${span(tookMs)}`,
      last.segments > 0 ? `${last.segments} segments to the eUICC` : undefined,
      left > 0 ? `the first ${steps.length} drawn` : undefined,
    );
    const plain = steps.map((step) =>
      el(
        "li",
        {},
        `+${span(Date.parse(step.time) - begin)} ${step.from === step.to ? step.from : `${step.from} to ${step.to}`}: ${step.text}${step.more ? ` (${step.more})` : ""}`,
      ),
    );
    return [
      el("p", {}, words),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Sequence diagram, scrolls" }, diagram(steps, begin, words)),
      el("details", {}, el("summary", {}, "The same as a list"), el("ol", {}, plain)),
    ];
  });
}

function diagram(steps, begin, words) {
  const [left, gap, top, row] = [110, 192, 40, 34];
  const width = left + gap * (lanes.length - 1) + 70;
  const height = top + steps.length * row + 16;
  const x = (lane) => left + gap * lanes.indexOf(lane);
  const heads = lanes.flatMap((lane) => [
    draw("line", { class: "lane", x1: x(lane), x2: x(lane), y1: 26, y2: height }),
    draw("rect", { class: "lanehead", x: x(lane) - 42, y: 2, width: 84, height: 24, rx: 5 }),
    draw("text", { x: x(lane), y: 18, "text-anchor": "middle" }, lane),
  ]);
  const rows = steps.map((step, i) => {
    const y = top + i * row + 18;
    const [from, to] = [x(step.from), x(step.to)];
    const parts = [
      draw("title", {}, joined(step.text, step.more)),
      draw("text", { class: "soft", x: 2, y: y + 4 }, `+${span(Date.parse(step.time) - begin)}`),
    ];
    const tip = (end, way) => draw("path", { class: "tip", d: `M${end} ${y} l${-7 * way} -4 v8 z` });
    const room = from === to ? 62 : 60;
    const text = step.text.length > room ? `${step.text.slice(0, room - 1)}…` : step.text;
    if (from === to)
      return draw(
        "g",
        { class: step.failed ? "failed" : "" },
        parts,
        draw("circle", { class: "tip", cx: from, cy: y, r: 4 }),
        draw("text", { x: from + 10, y: y + 4 }, text),
      );
    const way = Math.sign(to - from);
    return draw(
      "g",
      { class: step.failed ? "failed" : "" },
      parts,
      draw("line", { class: "arrow", x1: from, x2: to, y1: y, y2: y }),
      tip(to, way),
      step.both ? tip(from, -way) : [],
      draw("text", { x: Math.min(from, to) + 8, y: y - 6 }, text),
    );
  });
  return draw(
    "svg",
    { role: "img", "aria-label": `Sequence of the last package. ${words}. The steps follow as a list.`, viewBox: `0 0 ${width} ${height}` },
    heads,
    rows,
  );
}
