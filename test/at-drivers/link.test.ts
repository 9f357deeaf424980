// The link machine: each state against each input, and the back-off.
import { describe, expect, test } from "vitest";
import { closedLink, type Link, type LinkInput, nextLink, retryDelayMs } from "../../at-drivers/link.ts";

const trouble = { failures: 2, gone: true, reason: "before" };
const states: Readonly<Record<Link["kind"], Link>> = {
  closed: closedLink,
  opening: { kind: "opening", ...trouble },
  probing: { kind: "probing", ...trouble },
  ready: { kind: "ready" },
  lost: { kind: "lost", ...trouble },
};
const inputs: Readonly<Record<LinkInput["kind"], LinkInput>> = {
  open: { kind: "open" },
  opened: { kind: "opened" },
  probed: { kind: "probed" },
  retry: { kind: "retry" },
  close: { kind: "close" },
  openFailed: { kind: "openFailed", reason: "why" },
  probeFailed: { kind: "probeFailed", reason: "why" },
  ended: { kind: "ended", reason: "why" },
  rebooted: { kind: "rebooted", reason: "why" },
  silent: { kind: "silent", reason: "why" },
  resetting: { kind: "resetting", reason: "why", bootMs: 2_000 },
};

/** State, input, next state, effects; what is not here leaves the state as it is and does nothing. */
const table: readonly (readonly [Link["kind"], LinkInput["kind"], Link["kind"], readonly string[]])[] = [
  ["closed", "open", "opening", ["openPort"]],
  ["opening", "opened", "probing", ["probe"]],
  ["opening", "openFailed", "lost", ["retryAfter"]],
  ["opening", "close", "closed", ["cancelRetry", "closePort"]],
  ["probing", "probed", "ready", ["announceReady", "announceBack"]],
  ["probing", "probeFailed", "lost", ["closePort", "retryAfter"]],
  ["probing", "silent", "lost", ["closePort", "retryAfter"]],
  ["probing", "ended", "lost", ["retryAfter"]],
  ["probing", "rebooted", "probing", ["probe"]],
  ["probing", "close", "closed", ["cancelRetry", "closePort"]],
  ["ready", "ended", "lost", ["announceGone", "retryAfter"]],
  ["ready", "silent", "lost", ["announceGone", "closePort", "retryAfter"]],
  ["ready", "resetting", "lost", ["announceGone", "closePort", "retryAfter"]],
  ["ready", "rebooted", "probing", ["announceGone", "probe"]],
  ["ready", "close", "closed", ["cancelRetry", "closePort"]],
  ["lost", "retry", "opening", ["openPort"]],
  ["lost", "close", "closed", ["cancelRetry", "closePort"]],
];

describe.each(Object.keys(states) as Link["kind"][])("%s", (kind) => {
  test.each(Object.keys(inputs) as LinkInput["kind"][])("%s", (input) => {
    const before = states[kind];
    const { state, effects } = nextLink(before, inputs[input]);
    const row = table.find(([from, by]) => from === kind && by === input);
    if (row === undefined) {
      expect(state).toBe(before);
      expect(effects).toEqual([]);
    } else {
      expect(state.kind).toBe(row[2]);
      expect(effects.map((effect) => effect.kind)).toEqual(row[3]);
    }
  });
});

test("gone is said once and back once, however many attempts lie between", () => {
  const said: string[] = [];
  let link: Link = closedLink;
  const way: LinkInput["kind"][] = [
    "open",
    "openFailed",
    "retry",
    "opened",
    "probed",
    "ended",
    "retry",
    "openFailed",
    "retry",
    "opened",
    "probeFailed",
    "retry",
    "opened",
    "rebooted",
    "probed",
  ];
  for (const kind of way) {
    const step = nextLink(link, inputs[kind]);
    link = step.state;
    said.push(...step.effects.map((effect) => effect.kind).filter((effect) => effect.startsWith("announce")));
  }
  // The first time it is ready nobody had missed it.
  expect(said).toEqual(["announceReady", "announceGone", "announceReady", "announceBack"]);
});

test("a restart that we asked for is given its time, any other loss is followed up at once", () => {
  const delay = (input: LinkInput): unknown => nextLink({ kind: "ready" }, input).effects.find((effect) => effect.kind === "retryAfter");
  expect(delay(inputs.resetting)).toMatchObject({ delayMs: 2_000 });
  expect(delay(inputs.ended)).toMatchObject({ delayMs: 250 });
});

test("the back-off doubles up to half a minute, and stays there for ever", () => {
  expect([1, 2, 3, 4, 8, 9, 1_000_000].map(retryDelayMs)).toEqual([250, 500, 1_000, 2_000, 30_000, 30_000, 30_000]);
});
