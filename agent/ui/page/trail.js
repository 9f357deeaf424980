// The audit trail on the page: what of it is held here, the filter, and the way back to older records.
// Only what is new is asked for.
import { at, el, moment } from "./nodes.js";
import { get } from "./session.js";

const auditPage = 500;
const maxRecords = 5000;
const shownAtOnce = 100;

/** Newest first, without a gap, at most `maxRecords`. */
export let trail = [];
let limit = shownAtOnce;
let foundCount = 0;
function showTrail() {
  const words = at("filter")
    .value.toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const found = trail.filter(({ text }) => words.every((word) => text.includes(word)));
  foundCount = found.length;
  const oldest = trail.at(-1)?.record.seq ?? 1;
  const before =
    oldest <= 1 ? "" : trail.length < maxRecords ? "; older ones are in the vehicle" : "; simward audit query finds older ones";
  at("count").textContent =
    `${found.length} of ${trail.length} records${found.length > limit ? `, the newest ${limit} shown` : ""}${before}`;
  at("more").hidden = found.length <= limit && (oldest <= 1 || trail.length >= maxRecords);
  at("trail").replaceChildren(
    ...found
      .slice(0, limit)
      .map(({ record, facts }) =>
        el(
          "li",
          {},
          el("span", { class: "soft" }, moment(record.time), record.timeSource === "none" ? " (clock not set)" : ""),
          el("strong", {}, record.event),
          el("span", { class: "facts" }, el("span", { class: "soft" }, `by ${record.cause} `), facts),
        ),
      ),
  );
}

export const factsOf = (data) =>
  Object.entries(data ?? {})
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
export function ofTrail(record) {
  const facts = factsOf(record.data);
  return { record, facts, text: `${record.seq} ${record.time} ${record.event} ${record.cause} ${facts}`.toLowerCase() };
}

function joinTrail(records) {
  const known = new Map(trail.map((one) => [one.record.seq, one]));
  for (const record of records) if (!known.has(record.seq)) known.set(record.seq, ofTrail(record));
  trail = [...known.values()].sort((a, b) => b.record.seq - a.record.seq).slice(0, maxRecords);
  showTrail();
}

/** What is new behind what is known; all anew where the trail is another, or too far ahead. */
export async function readTrail(headSeq) {
  const newest = trail[0]?.record.seq ?? -1;
  const isBehind = newest >= 0 && newest <= headSeq && headSeq - newest <= auditPage;
  const { ok, body } = await get(isBehind ? `/audit?first=${auditPage}&after=${newest}` : `/audit?last=${auditPage}`);
  if (!ok) return false;
  if (!isBehind) trail = [];
  joinTrail(body.records);
  return true;
}

async function showMore() {
  const isAllShown = foundCount <= limit + auditPage;
  limit += auditPage;
  const oldest = trail.at(-1)?.record.seq ?? 1;
  if (isAllShown && oldest > 1 && trail.length < maxRecords) {
    const after = Math.max(0, oldest - 1 - auditPage);
    const { ok, body } = await get(`/audit?first=${oldest - 1 - after}&after=${after}`).catch(() => ({ ok: false }));
    // A trail that was cut off begins later than it is asked from.
    const before = ok ? body.records.filter(({ seq }) => seq < oldest) : [];
    if (ok && before.length === 0) at("more").hidden = true;
    if (before.length > 0) return joinTrail(before);
    if (ok) return;
  }
  showTrail();
}
at("filter").addEventListener("input", () => {
  limit = shownAtOnce;
  showTrail();
});
at("more").addEventListener("click", showMore);
