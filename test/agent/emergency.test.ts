// Who says that there is an emergency, and until when: the machine's table, what outlives a restart, and what a keeper and a poller make of it.
import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../agent/audit/types.ts";
import { watchCalls } from "../../agent/connectivity/calls.ts";
import {
  createEmergency,
  type Emergency,
  type EmergencyInput,
  nextEmergency,
  noEmergency,
  sourcesOf,
  type ToldEmergency,
} from "../../agent/emergency.ts";
import { initialPollState, nextPoll, type PollInput, type PollState } from "../../agent/scheduler/poll-machine.ts";
import { openAgentState } from "../../agent/state/agent-state.ts";
import { createOwedWrites, stateDisk } from "../../agent/state/owed.ts";
import type { ModemListener } from "../../at-drivers/types.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { faultDisk } from "../../base/fault-disk.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";

const told: ToldEmergency = { by: "operator:0", reason: null, sinceMs: 0, forMs: 60_000 };
const tell: EmergencyInput = { kind: "told", told };
const call = (active: boolean): EmergencyInput => ({ kind: "call", active });
const profile = (enabled: boolean): EmergencyInput => ({ kind: "profile", enabled });

function follow(inputs: readonly EmergencyInput[]) {
  let state = noEmergency;
  const done: string[] = [];
  for (const input of inputs) {
    const step = nextEmergency(state, input);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.do === "begun") done.push(`${effect.isFirst ? "first " : ""}${effect.source}`);
      else if (effect.do === "ended") done.push(`${effect.isLast ? "last " : ""}${effect.source} ${effect.why}`);
      else done.push(effect.do);
    }
  }
  return { sources: sourcesOf(state), done };
}

describe("the machine", () => {
  test.each([
    [[tell], ["api"], ["keep", "first api"]],
    [[tell, tell], ["api"], ["keep", "first api", "keep", "prolonged"]],
    [[tell, { kind: "revoked" }], [], ["keep", "first api", "keep", "last api revoked"]],
    [[tell, { kind: "expired" }], [], ["keep", "first api", "keep", "last api expired"]],
    [[{ kind: "revoked" }, { kind: "expired" }], [], []],
    [[call(true), call(true), call(false), call(false)], [], ["first call", "last call ended"]],
    [
      [profile(true), call(true), tell],
      ["api", "call", "profile"],
      ["first profile", "call", "keep", "api"],
    ],
    // One who ends his own does not end the others'.
    [[call(true), tell, { kind: "revoked" }], ["call"], ["first call", "keep", "api", "keep", "api revoked"]],
    [[tell, call(true), call(false)], ["api"], ["keep", "first api", "call", "call ended"]],
    [[profile(false), profile(true), profile(false)], [], ["first profile", "last profile ended"]],
  ] as const)("%j", (inputs, sources, done) => {
    expect(follow(inputs)).toEqual({ sources, done });
  });
});

/** A life of the daemon with what the one before left. */
function life(clock: VirtualClock, kept: { told: ToldEmergency | undefined }) {
  const records: AuditEvent[] = [];
  const changes: boolean[] = [];
  const emergency = createEmergency({
    clock,
    audit: async (event) => void records.push(event),
    load: () => kept.told,
    save: async (next) => {
      kept.told = next;
    },
  });
  emergency.onChange(() => changes.push(emergency.sources.length > 0));
  return { emergency, records, changes };
}

const isActive = ({ sources }: Emergency): boolean => sources.length > 0;

describe("told by the API", () => {
  test("for so long; told again, it lasts from then", async () => {
    const clock = new VirtualClock();
    const { emergency, records, changes } = life(clock, { told: undefined });
    await emergency.tell("operator:7", 60_000, "eCall");
    await clock.advance(50_000);
    await emergency.tell("operator:7", 60_000, "eCall");
    await clock.advance(59_000);
    expect(emergency.status()).toMatchObject({ active: true, sources: ["api"], remainingMs: 1_000, reason: "eCall" });
    await clock.advance(1_001);
    expect(emergency.status()).toEqual({ active: false, sources: [], remainingMs: undefined, reason: undefined });
    expect(changes).toEqual([true, false]);
    expect(records.map(({ event, cause }) => [event, cause])).toEqual([
      ["emergency.begun", "operator:7"],
      ["emergency.prolonged", "operator:7"],
      ["emergency.ended", "ipa"],
    ]);
  });

  test("over a restart, for what is left of its time", async () => {
    const clock = new VirtualClock();
    const kept: { told: ToldEmergency | undefined } = { told: undefined };
    await life(clock, kept).emergency.tell("operator:0", 60_000, undefined);
    await clock.advance(20_000);
    const { emergency } = life(clock, kept);
    expect(emergency.status()).toMatchObject({ active: true, remainingMs: 40_000 });
    await clock.advance(40_001);
    expect(isActive(emergency)).toBe(false);
    expect(kept.told).toBeUndefined();
  });

  test("over a restart after its end: it is over, and that is told", async () => {
    const clock = new VirtualClock();
    const kept: { told: ToldEmergency | undefined } = { told: { ...told, sinceMs: clock.now() - 61_000 } };
    const { emergency, records } = life(clock, kept);
    expect(isActive(emergency)).toBe(false);
    await clock.advance(1);
    expect(records.map(({ event }) => event)).toEqual(["emergency.ended"]);
  });

  test("a clock that was set back does not prolong it beyond what was told", async () => {
    const clock = new VirtualClock();
    const { emergency } = life(clock, { told: { ...told, sinceMs: clock.now() + 999_999_999 } });
    expect(emergency.status().remainingMs).toBe(60_000);
    await clock.advance(60_001);
    expect(isActive(emergency)).toBe(false);
  });

  test("a disk that refuses it does not keep it from holding", async () => {
    const clock = new VirtualClock();
    const disk = faultDisk(seededRandom(1));
    const state = await openAgentState(stateDisk(disk, createOwedWrites({ clock, log: silentLog, onProblem: () => undefined })));
    const emergency = createEmergency({
      clock,
      audit: async () => undefined,
      load: () => undefined,
      save: (told) => state.hold((s) => ({ ...s, emergency: told ?? null })),
    });
    disk.setFull(true);
    await emergency.tell("operator:0", 60_000, undefined);
    expect(isActive(emergency)).toBe(true);
    // A restart knows of it as soon as there is room, though nobody tells it again.
    disk.setFull(false);
    await clock.advance(30_000);
    expect((await openAgentState(disk)).get().emergency).toMatchObject({ by: "operator:0", forMs: 60_000 });
  });
});

describe("calls of the module", () => {
  function watched(answers: (boolean | undefined | Error)[]) {
    const clock = new VirtualClock();
    const seen: boolean[] = [];
    let listener: ModemListener = () => undefined;
    let asked = 0;
    const stop = watchCalls({
      clock,
      log: silentLog,
      onCall: (active) => seen.push(active),
      modem: {
        status: { link: "ready" } as never,
        onEvent: (fn) => {
          listener = fn;
          return () => undefined;
        },
        voiceCall: async () => {
          const answer = answers[Math.min(asked++, answers.length - 1)];
          if (answer instanceof Error) throw answer;
          return answer;
        },
      },
    });
    return { clock, seen, tell: (event: Parameters<ModemListener>[0]) => listener(event), asked: () => asked, stop };
  }

  test("asked for every ten seconds, since a call that somebody else dials is told by no line", async () => {
    const { clock, seen, stop } = watched([false, true, false]);
    await clock.advance(25_000);
    expect(seen).toEqual([false, true, false]);
    stop();
    await clock.advance(60_000);
    expect(seen).toHaveLength(3);
  });

  test("and at once when a line tells of one", async () => {
    const { clock, seen, tell } = watched([false, true]);
    await clock.advance(1);
    tell({ kind: "call" });
    await clock.advance(1);
    expect(seen).toEqual([false, true]);
  });

  test("a module without voice is not asked again in this life of it", async () => {
    const { clock, seen, asked, tell } = watched([undefined]);
    await clock.advance(120_000);
    expect([asked(), seen]).toEqual([1, [false]]);
    tell({ kind: "back" });
    await clock.advance(1);
    expect(asked()).toBe(2);
  });

  test("an answer that cannot be had changes nothing; a module away for two minutes has no call any more", async () => {
    const { clock, seen, tell } = watched([true, new SimwardError("AT_TIMEOUT")]);
    await clock.advance(60_000);
    expect(seen).toEqual([true]);
    tell({ kind: "gone", reason: "unplugged" });
    await clock.advance(119_000);
    expect(seen).toEqual([true]);
    await clock.advance(2_000);
    expect(seen).toEqual([true, false]);
  });
});

describe("polls", () => {
  const idle: PollState = { phase: "idle", failures: 2, awaitsPath: false };
  const held: PollState = { ...idle, isHeld: true };
  const polls = (state: PollState, input: PollInput) => {
    const step = nextPoll(state, input);
    return { state: step.state, effects: step.effects.map((effect) => (effect.kind === "schedule" ? effect.why : effect.kind)) };
  };

  test.each([
    [idle, { kind: "due", isHeld: true }, held, []],
    [held, { kind: "released" }, idle, ["poll"]],
    [idle, { kind: "released" }, idle, []],
    [held, { kind: "pathUp" }, held, []],
    [held, { kind: "news" }, held, []],
    [idle, { kind: "news" }, idle, ["news"]],
    [initialPollState, { kind: "released" }, initialPollState, []],
    [{ phase: "polling", failures: 2 }, { kind: "pollEnded", retry: "later", unfinished: true, isHeld: true }, held, []],
    // Somebody asks all the same: it is for the IPA to refuse.
    [held, { kind: "pollBegun" }, { phase: "polling", failures: 2 }, ["unschedule"]],
  ] as const)("%j, %j", (state, input, next, effects) => {
    expect(polls(state, input)).toEqual({ state: next, effects });
  });
});
