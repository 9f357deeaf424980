// The tunnel's state machine as a table, then 5,000 made-up histories: nothing begins in an emergency or without a path, and nothing waits for ever.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextTunnel, noTunnel, retryMs, type TunnelEffect, type TunnelInput, type TunnelState } from "../../../agent/tunnel/machine.ts";
import { SimwardError } from "../../../base/errors.ts";

const refused = new SimwardError("TUNNEL_REFUSED");
const lost = new SimwardError("TUNNEL_UNREACHABLE");
const seen = (what: "up" | "trying" | "gone", isLocal = true): TunnelInput => ({
  kind: "seen",
  seen: what,
  isLocal,
  lasted: false,
  problem: what === "gone" ? lost : undefined,
});
const run = (...inputs: readonly TunnelInput[]): { readonly state: TunnelState; readonly did: readonly string[] } => {
  let state = noTunnel;
  const did: string[] = [];
  for (const input of inputs) {
    const step = nextTunnel(state, input);
    state = step.state;
    did.push(...step.effects.map((effect) => effect.do));
  }
  return { state, did };
};
const here: TunnelInput = { kind: "path", way: "8988 10.0.0.1" };
const there: TunnelInput = { kind: "path", way: "8988 10.0.0.2" };
const nowhere: TunnelInput = { kind: "path", way: undefined };
const emergency: TunnelInput = { kind: "emergency", active: true };
const over: TunnelInput = { kind: "emergency", active: false };

describe("the tunnel", () => {
  test.each<[string, readonly TunnelInput[], TunnelState["phase"], readonly string[]]>([
    ["is asked for with the path", [here], "connecting", ["disarm", "ask"]],
    ["is up once charon shows it", [here, seen("trying"), seen("up")], "up", ["disarm", "ask", "disarm", "problem", "up"]],
    ["waits behind a refusal", [here, { kind: "failed", problem: refused }], "waiting", ["disarm", "ask", "problem", "armRetry"]],
    [
      "is asked for again",
      [here, seen("gone"), { kind: "retry" }],
      "connecting",
      ["disarm", "ask", "problem", "armRetry", "disarm", "ask"],
    ],
    ["goes with the path", [here, seen("up"), nowhere], "idle", ["disarm", "ask", "disarm", "problem", "up", "down", "disarm"]],
    [
      "waits behind a loss, so that a fleet does not come at once",
      [here, seen("up"), seen("gone")],
      "waiting",
      ["disarm", "ask", "disarm", "problem", "up", "down", "problem", "armRetry"],
    ],
    [
      "has a moment to follow to another address",
      [here, seen("up"), there],
      "moving",
      ["disarm", "ask", "disarm", "problem", "up", "disarm", "armGrace"],
    ],
    [
      "has followed",
      [here, seen("up"), there, seen("up", false), seen("up")],
      "up",
      ["disarm", "ask", "disarm", "problem", "up", "disarm", "armGrace", "disarm", "problem", "up"],
    ],
    [
      "has not followed",
      [here, seen("up"), there, { kind: "grace" }],
      "connecting",
      ["disarm", "ask", "disarm", "problem", "up", "disarm", "armGrace", "down", "disarm", "ask"],
    ],
    ["is not begun in an emergency", [emergency, here], "idle", ["disarm"]],
    ["is begun when it is over", [emergency, here, over], "connecting", ["disarm", "disarm", "ask"]],
    ["stays as it is in an emergency", [here, seen("up"), emergency, seen("up")], "up", ["disarm", "ask", "disarm", "problem", "up"]],
    [
      "is not tried again in an emergency",
      [here, seen("gone"), emergency, { kind: "retry" }],
      "idle",
      ["disarm", "ask", "problem", "armRetry"],
    ],
  ])("%s", (_what, inputs, phase, did) => {
    const result = run(...inputs);
    expect(result.state.phase).toBe(phase);
    expect(result.did).toEqual(did);
  });

  test("failures count until it has lasted, or the way is another one", () => {
    const twice = [here, seen("gone"), { kind: "retry" }, seen("gone"), { kind: "retry" }] as const;
    expect(run(...twice, seen("up"), seen("up")).state.failures).toBe(2);
    expect(run(...twice, seen("up"), { ...seen("up"), lasted: true } as TunnelInput).state.failures).toBe(0);
    expect(run(...twice, there).state.failures).toBe(0);
  });

  test("5,000 made-up histories", () => {
    const input = fc.constantFrom<TunnelInput>(
      here,
      there,
      nowhere,
      emergency,
      over,
      seen("up"),
      seen("up", false),
      seen("trying"),
      seen("gone"),
      { kind: "failed", problem: refused },
      { kind: "retry" },
      { kind: "grace" },
    );
    fc.assert(
      fc.property(fc.array(input, { maxLength: 40 }), (inputs) => {
        let state = noTunnel;
        let isTold = false;
        let timer: TunnelEffect["do"] | undefined;
        for (const one of inputs) {
          const step = nextTunnel(state, one);
          state = step.state;
          if (one.kind === "retry" || one.kind === "grace") timer = undefined;
          for (const effect of step.effects) {
            if (effect.do === "ask") expect([state.emergency, state.way]).toEqual([false, expect.any(String)]);
            if (effect.do === "up") isTold = true;
            if (effect.do === "down") {
              expect(isTold).toBe(true);
              isTold = false;
            }
            if (effect.do === "armRetry" || effect.do === "armGrace") timer = effect.do;
            if (effect.do === "disarm") timer = undefined;
          }
          if (state.phase === "idle") expect(state.way === undefined || state.emergency).toBe(true);
          if (state.phase === "up" || state.phase === "moving") expect(isTold).toBe(true);
          if (state.phase === "idle" || state.phase === "waiting") expect(isTold).toBe(false);
        }
        // What waits is woken: by its timer, or when the emergency is over.
        const expected = { waiting: "armRetry", moving: "armGrace", idle: undefined, connecting: undefined, up: undefined }[state.phase];
        const wasFired = inputs.some(({ kind }) => kind === "retry" || kind === "grace");
        if (!wasFired) expect(timer).toBe(expected);
      }),
      { numRuns: 5_000, seed: 5_160 },
    );
  });

  test("the back-off: seconds for what passes, minutes for what a person must mend, never beyond an hour", () => {
    expect([1, 2, 3, 20].map((failures) => retryMs(failures, lost, 0.99999))).toEqual([5_000, 10_000, 20_000, 299_999]);
    expect([1, 2, 20].map((failures) => retryMs(failures, refused, 0.99999))).toEqual([60_000, 119_999, 3_599_982]);
    expect(retryMs(1, lost, 0)).toBe(2_500);
  });
});
