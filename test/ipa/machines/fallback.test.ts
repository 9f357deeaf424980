// When to fall back and when to return: the machine's table, and that whatever happens it never becomes a ping-pong.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterRestart,
  type FallbackEffect,
  type FallbackInput,
  type FallbackState,
  type FallbackTimes,
  fallbackDelayMs,
  initialFallbackState,
  nextFallback,
} from "../../../ipa/machines/fallback.ts";

const a = "89460000000000000012";
const b = "89460000000000000020";
const c = "89460000000000000038";

const up: FallbackInput = { kind: "path", isUp: true, isExhausted: false };
const down: FallbackInput = { kind: "path", isUp: false, isExhausted: false };
const exhausted: FallbackInput = { kind: "path", isUp: false, isExhausted: true };
const due = (iccid: string, more: object = {}): FallbackInput => ({ kind: "due", isExhausted: true, isEmergency: false, iccid, ...more });
const ended = (outcome: Extract<FallbackInput, { kind: "ended" }>["outcome"], iccid: string, online?: boolean): FallbackInput => ({
  kind: "ended",
  outcome,
  iccid,
  online,
});

/** Takes the inputs in turn; answers where that leads, and what is done on the way, by words. */
function follow(inputs: readonly FallbackInput[], from: FallbackState = initialFallbackState) {
  const done: string[] = [];
  let state = from;
  for (const input of inputs) {
    const step = nextFallback(state, input);
    state = step.state;
    done.push(...step.effects.map(word));
  }
  return { state, done };
}

const word = (effect: FallbackEffect): string =>
  effect.do === "schedule" ? `${effect.why}${effect.doublings > 0 ? `*${2 ** effect.doublings}` : ""}` : effect.do;

const fallingBack = [down, exhausted, due(a)];
const away = [...fallingBack, ended("switched", b, true)];

describe("loss of connectivity", () => {
  // shows: e9.trigger
  test("for long enough and with everything tried: fallback, the eIMs told, the return planned", () => {
    const { state, done } = follow(away);
    expect(done).toEqual(["lost", "unschedule", "execute", "return", "poll"]);
    expect(state).toEqual({ phase: "away", failedReturns: 0, fromIccid: a, toIccid: b, isUp: true, isDue: false });
  });

  // shows: e9.trigger
  test("a path that comes back in time ends it", () => {
    expect(follow([down, up, down])).toMatchObject({ state: { phase: "lost" }, done: ["lost", "unschedule", "lost"] });
  });

  test("while an APN has not had its turn, it waits; then it is soon done", () => {
    const waiting = follow([down, due(a, { isExhausted: false })]);
    expect(waiting).toMatchObject({ state: { phase: "lost", isDue: true }, done: ["lost"] });
    expect(follow([exhausted, due(a)], waiting.state)).toMatchObject({
      state: { phase: "fallingBack" },
      done: ["soon", "unschedule", "execute"],
    });
  });

  test("in an emergency nothing is done; when it is over, connectivity has its time again first", () => {
    const held = follow([down, exhausted, due(a, { isEmergency: true })]);
    expect(held).toMatchObject({ state: { phase: "lost", isDue: true }, done: ["lost"] });
    expect(follow([{ kind: "emergencyOver" }, up], held.state)).toMatchObject({ state: { phase: "home" }, done: ["lost", "unschedule"] });
    expect(follow([{ kind: "emergencyOver" }, due(a)], held.state).done).toEqual(["lost", "unschedule", "execute"]);
  });

  test.each([
    ["already", "lost", ["unschedule"]],
    ["unavailable", "lost", ["unschedule"]],
    ["busy", "lost", ["lost"]],
    ["failed", "lost", ["lost"]],
    ["held", "lost", ["unschedule"]],
  ] as const)("the card's answer is %s: %s", (outcome, phase, done) => {
    const { state } = follow(fallingBack);
    expect(follow([ended(outcome, a)], state)).toMatchObject({ state: { phase }, done });
  });

  test.each(["busy", "failed", "held"] as const)("the card has done it, though the answer is %s: away all the same", (outcome) => {
    const { state } = follow(fallingBack);
    expect(follow([ended(outcome, b)], state)).toMatchObject({ state: { phase: "away", toIccid: b }, done: ["dark", "poll"] });
  });

  test("what a full disk or a restart interrupted, and was gone on with later", () => {
    const resumed: FallbackInput = { kind: "resumed", what: "fellBack", fromIccid: a, toIccid: b };
    expect(follow([...fallingBack, ended("failed", a), resumed, up]).state).toMatchObject({ phase: "away", isUp: true });
    // Whoever ordered hears it from the order.
    expect(follow([...fallingBack, resumed]).state).toMatchObject({ phase: "fallingBack" });
  });

  test("a card without fallback is not asked again until there was a path", () => {
    const blocked = follow([...fallingBack, ended("unavailable", a)]).state;
    expect(follow([exhausted, due(a), { kind: "emergencyOver" }], blocked).done).toEqual([]);
    expect(follow([up, ...fallingBack], blocked).done).toContain("execute");
  });
});

describe("return", () => {
  // shows: e9.return
  test("the former profile has a network again: on trial, then all is as before", () => {
    const { state, done } = follow([...away, due(b), ended("switched", a, true), up, due(a)]);
    expect(done.slice(5)).toEqual(["unschedule", "return", "trial", "poll"]);
    expect(state).toEqual(initialFallbackState);
  });

  // shows: e9.return-policy
  test("it has none still: back at once, and each wait is twice the one before", () => {
    let { state } = follow(away);
    for (const failed of [1, 2, 3, 4]) {
      const round = follow([due(b), ended("switched", a, false), ended("switched", b, true)], state);
      expect(round.done).toEqual(["unschedule", "return", "unschedule", "execute", `return*${2 ** failed}`, "poll"]);
      expect(round.state).toMatchObject({ phase: "away", failedReturns: failed });
      ({ state } = round);
    }
  });

  test("a network that does not last through the trial counts as none", () => {
    const trial = follow([...away, due(b), ended("switched", a, true)]).state;
    const { state, done } = follow([down, exhausted, due(a), ended("switched", b, true)], trial);
    expect(done).toEqual(["lost", "unschedule", "execute", "return*2", "poll"]);
    expect(state).toMatchObject({ phase: "away", failedReturns: 1 });
  });

  test("a path that flaps within the trial begins the trial anew", () => {
    const trial = follow([...away, due(b), ended("switched", a, true)]).state;
    expect(follow([down, up], trial)).toMatchObject({ state: { phase: "home", onTrial: true }, done: ["lost", "trial"] });
  });

  test.each([
    ["busy", "away", ["return*2"]],
    ["failed", "away", ["return*2"]],
    ["held", "away", ["unschedule"]],
    ["unavailable", "home", ["unschedule"]],
  ] as const)("the card's answer is %s: %s", (outcome, phase, done) => {
    const { state } = follow([...away, due(b)]);
    expect(follow([ended(outcome, b)], state)).toMatchObject({ state: { phase }, done });
  });

  test("the card has done it, though the answer is another: on trial", () => {
    const { state } = follow([...away, due(b)]);
    for (const outcome of ["busy", "failed", "held"] as const)
      expect(follow([ended(outcome, a)], state)).toMatchObject({ state: { phase: "home", onTrial: true }, done: ["trial", "poll"] });
    const resumed: FallbackInput = { kind: "resumed", what: "returned", fromIccid: b, toIccid: a };
    expect(follow([resumed], follow(away).state)).toMatchObject({ state: { phase: "home", onTrial: true } });
  });

  test("in an emergency it waits, and comes soon after it", () => {
    const held = follow([...away, due(b, { isEmergency: true })]).state;
    expect(held).toMatchObject({ phase: "away", isDue: true });
    expect(follow([{ kind: "emergencyOver" }, due(b)], held).done).toEqual(["soon", "unschedule", "return"]);
  });

  test("the fallback profile has no path either: the former one is tried sooner", () => {
    expect(follow([...fallingBack, ended("switched", b, false)]).done.slice(3)).toEqual(["dark", "poll"]);
    expect(follow([...away, down, up]).done.slice(5)).toEqual(["dark", "return"]);
  });

  test("an eIM that enables another profile meanwhile has decided", () => {
    expect(follow([...away, { kind: "card", iccid: c }])).toMatchObject({ state: initialFallbackState });
    expect(follow([...away, due(c)]).done.slice(5)).toEqual(["unschedule"]);
  });
});

test("somebody asks for it", () => {
  const execute: FallbackInput = { kind: "asked", what: "execute", iccid: a };
  const back: FallbackInput = { kind: "asked", what: "return", iccid: b };
  expect(follow([execute]).done).toEqual(["unschedule", "execute"]);
  expect(follow([back]).done).toEqual([]);
  expect(follow([...away, execute]).done.slice(5)).toEqual([]);
  expect(follow([...away, back]).done.slice(5)).toEqual(["unschedule", "return"]);
});

describe("after a restart", () => {
  const states = {
    home: initialFallbackState,
    lost: follow([down]).state,
    fallingBack: follow(fallingBack).state,
    away: follow(away).state,
    returning: follow([...away, due(b)]).state,
  };

  test.each([
    ["home", a, "home"],
    ["lost", a, "home"],
    // The order did not reach the card, or it did.
    ["fallingBack", a, "home"],
    ["fallingBack", b, "away"],
    ["away", b, "away"],
    ["away", c, "home"],
    ["returning", b, "away"],
    ["returning", a, "home"],
  ] as const)("%s, and %s is enabled: %s", (phase, iccid, then) => {
    expect(afterRestart(states[phase], iccid)).toMatchObject({ phase: then });
  });

  test("a return that the restart interrupted is on trial, and knows of the failed ones before it", () => {
    expect(afterRestart({ ...states.returning, failedReturns: 3 }, a)).toMatchObject({ onTrial: true, failedReturns: 3 });
  });
});

describe("waits", () => {
  const times: FallbackTimes = { afterMs: 900_000, returnAfterMs: 3_600_000, returnMaxMs: 86_400_000 };

  // shows: e9.return-policy
  test("double up to the most, and spread a fleet", () => {
    expect([0, 1, 2, 10, 30].map((doublings) => fallbackDelayMs(times, "return", doublings, 0) / 3_600_000)).toEqual([1, 2, 4, 24, 24]);
    expect(fallbackDelayMs(times, "return", 0, 0.999)).toBeGreaterThan(4_400_000);
    expect(fallbackDelayMs(times, "dark", 0, 0)).toBe(900_000);
    expect(fallbackDelayMs(times, "lost", 5, 0.5)).toBe(900_000);
  });

  test("whatever the networks do, the card switches seldom: so many times a day at most", () => {
    const dayMs = 86_400_000;
    fc.assert(
      fc.property(fc.array(fc.record({ online: fc.boolean(), lasts: fc.nat(7_200_000) }), { minLength: 1, maxLength: 200 }), (luck) => {
        // Every order is carried out; whether a profile then has a path, and for how long, is chance.
        let state: FallbackState = initialFallbackState;
        let nowMs = 0;
        let dueMs = Number.POSITIVE_INFINITY;
        let switches = 0;
        let turn = 0;
        const take = (input: FallbackInput): void => {
          const step = nextFallback(state, input);
          state = step.state;
          for (const effect of step.effects) {
            if (effect.do === "schedule") dueMs = nowMs + fallbackDelayMs(times, effect.why, effect.doublings, 0);
            if (effect.do === "unschedule") dueMs = Number.POSITIVE_INFINITY;
            if (effect.do !== "execute" && effect.do !== "return") continue;
            switches++;
            nowMs += 300_000;
            const { online } = luck[turn++ % luck.length] ?? { online: true };
            take(ended("switched", effect.do === "execute" ? b : a, online));
            return;
          }
        };
        take(down);
        while (nowMs < dayMs) {
          const chance = luck[turn++ % luck.length] ?? { online: true, lasts: 0 };
          const eventMs = nowMs + 60_000 + chance.lasts;
          if (dueMs <= eventMs) {
            nowMs = dueMs;
            dueMs = Number.POSITIVE_INFINITY;
            take(due(state.phase === "away" ? b : a));
          } else {
            nowMs = eventMs;
            take(chance.online ? up : exhausted);
          }
          if (dueMs === Number.POSITIVE_INFINITY && state.phase === "home") take(exhausted);
        }
        // A return every hour at the very most, and each with the fallback before it.
        expect(switches).toBeLessThanOrEqual(2 * 24 + 2);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
