// The policy engine: when it decides, what it records, what it has done, and that an emergency comes first.
import { parse } from "valibot";
import { describe, expect, test } from "vitest";
import type { AuditEvent, AuditRecord } from "../../../agent/audit/types.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { createPolicyEngine, evaluate, type RememberedVerdicts } from "../../../agent/policy/engine.ts";
import { replay } from "../../../agent/policy/replay.ts";
import { simulatedFacts } from "../../../agent/policy/report.ts";
import { imeiLock } from "../../../agent/policy/rules/imei-lock.ts";
import { bindRules } from "../../../agent/policy/rules/table.ts";
import { type BoundRule, bind, type Decision, type Facts, type LastingFacts, silent } from "../../../agent/policy/types.ts";
import type { Verdict } from "../../../ipa/ports.ts";

const by = (rule: string, kind: "warn" | "throttle" | "refuse", reason = "because"): Verdict => ({
  kind,
  rule,
  reason,
  retryAt: undefined,
});
const rule = (id: string, decide: (facts: Facts) => Partial<Decision>): BoundRule => ({
  id,
  decide: (facts) => ({ ...silent("nothing to say"), ...decide(facts) }),
});
/** Warns in Turkey, refuses in Brazil, with words that change from day to day. */
const abroad = rule("abroad", ({ vehicle }) => {
  if (vehicle?.country === "TR") return { gates: { data: by("abroad", "warn", `day ${vehicle.todayDay}`) } };
  if (vehicle?.country === "BR")
    return { gates: { data: by("abroad", "refuse") }, actions: [{ kind: "applyMarket", country: "BR", reason: "there" }] };
  return {};
});
const lock = bind(imeiLock, "refuse");

function bench(rules: readonly BoundRule[] = [abroad, lock], remembered: RememberedVerdicts = {}) {
  const events: AuditEvent[] = [];
  const done: string[] = [];
  const kept = { verdicts: remembered };
  const emergency = { active: false };
  const engine = createPolicyEngine({
    rules,
    memory: {
      load: () => kept.verdicts,
      save: async (verdicts) => {
        kept.verdicts = verdicts;
      },
    },
    audit: async (event) => void events.push(event),
    perform: (action, of) => done.push(`+${of} ${action.kind}`),
    withdraw: (action, of) => done.push(`-${of} ${action.kind}`),
    isHeld: () => emergency.active,
  });
  const heard: string[] = [];
  engine.onData((verdict) => heard.push(verdict.kind));
  const verdicts = () => events.map(({ data }) => `${data?.from}>${data?.to}`);
  return { engine, events, done, kept, emergency, heard, verdicts };
}
const at = (country: string, todayDay = 20_000) => ({ vehicle: { country, clockTrusted: true, todayDay } });
const foreign = { lock: { state: "mismatch", differs: ["imei"] } } as const;

describe("the gate data", () => {
  test("is decided on every change of facts; recorded only when what a rule says is another thing, not other words", async () => {
    const { engine, events, heard, verdicts } = bench();
    await engine.update(at("DE"));
    await engine.update(at("TR", 20_001));
    await engine.update(at("TR", 20_002));
    await engine.update(at("TR", 20_003));
    expect([engine.data.kind, heard, verdicts()]).toEqual(["warn", ["warn"], ["allow>warn"]]);
    expect(events[0]).toMatchObject({ event: "policy.verdict", cause: "policy:abroad", data: { gate: "data", reason: "day 20001" } });
    await engine.update(at("DE"));
    expect([engine.data.kind, heard, verdicts()]).toEqual(["allow", ["warn", "allow"], ["allow>warn", "warn>allow"]]);
  });

  test("the strictest of all rules holds, and each rule's own change is recorded", async () => {
    const { engine, verdicts, heard } = bench();
    await engine.update({ ...at("TR"), ...foreign });
    expect(engine.data).toMatchObject({ kind: "refuse", rule: "imei_lock" });
    await engine.update({ lock: { state: "match", differs: [] } });
    expect(engine.data).toMatchObject({ kind: "warn", rule: "abroad" });
    expect(verdicts()).toEqual(["allow>warn", "allow>refuse", "refuse>allow"]);
    expect(heard).toEqual(["refuse", "warn"]);
  });

  test("after a restart what was recorded is not recorded again, and what has ended meanwhile is", async () => {
    const first = bench();
    await first.engine.update({ ...at("TR"), ...foreign });
    const second = bench(undefined, first.kept.verdicts);
    await second.engine.update({ ...at("TR"), ...foreign });
    expect(second.events).toEqual([]);
    const third = bench(undefined, first.kept.verdicts);
    await third.engine.update({ ...at("DE"), lock: { state: "match", differs: [] } });
    expect(third.verdicts()).toEqual(["warn>allow", "refuse>allow"]);
  });
});

describe("what a rule wants done", () => {
  test("is done once when it is first wanted, and again only after it was not", async () => {
    const { engine, done } = bench();
    await engine.update(foreign);
    await engine.update({ ...foreign, ...at("DE") });
    expect(done).toEqual(["+imei_lock alarm", "+imei_lock pollEim"]);
    await engine.update({ lock: { state: "match", differs: [] } });
    expect(done.slice(2)).toEqual(["-imei_lock alarm", "-imei_lock pollEim"]);
    await engine.update(foreign);
    expect(done.slice(4)).toEqual(["+imei_lock alarm", "+imei_lock pollEim"]);
  });
});

describe("an emergency", () => {
  test("blocks nothing and begins nothing, though alarms tell; afterwards it is made up for", async () => {
    const { engine, done, heard, emergency, events } = bench();
    await engine.update(foreign);
    emergency.active = true;
    await engine.reconsider();
    expect([engine.data.kind, engine.isHeld, heard]).toEqual(["allow", true, ["refuse", "allow"]]);
    await engine.update(at("BR"));
    expect(done).toEqual(["+imei_lock alarm", "+imei_lock pollEim"]);
    expect(events.at(-1)).toMatchObject({ cause: "policy:abroad", data: { to: "refuse", held: true } });
    emergency.active = false;
    await engine.reconsider();
    expect([engine.data.kind, engine.isHeld, heard]).toEqual(["refuse", false, ["refuse", "allow", "refuse"]]);
    expect(done.slice(2)).toEqual(["+abroad applyMarket"]);
  });
});

describe("the IPA's gates", () => {
  test("are asked with the lasting facts beside their own", async () => {
    const noDownloadsAbroad = rule("home_only", ({ vehicle, download }) =>
      download !== undefined && vehicle?.country !== "DE" ? { gates: { download: by("home_only", "refuse") } } : {},
    );
    const { engine } = bench([noDownloadsAbroad]);
    const facts = { eimId: "e1", sha256: "00", smdpAddress: undefined };
    await engine.update(at("TR"));
    expect(engine.check("download", facts)).toMatchObject({ kind: "refuse", rule: "home_only" });
    await engine.update(at("DE"));
    expect([engine.check("download", facts), engine.check("poll", { eimId: "e1" })]).toEqual([{ kind: "allow" }, { kind: "allow" }]);
  });
});

describe("imei_lock", () => {
  test.each([
    ["refuse", "mismatch", "refuse"],
    ["warn", "mismatch", "warn"],
    ["off", "mismatch", "allow"],
    ["refuse", "match", "allow"],
    ["refuse", "unlocked", "allow"],
    ["refuse", "unpaired", "allow"],
  ] as const)("configured %s, at %s: %s", (mode, state, kind) => {
    const { data, rules } = evaluate([bind(imeiLock, mode)], { lock: { state, differs: state === "mismatch" ? ["imei"] : [] } });
    expect([data.kind, rules[0]?.decision.actions.map((action) => action.kind)]).toEqual([
      kind,
      kind === "allow" ? [] : ["alarm", "pollEim"],
    ]);
  });
});

describe("a replay over a trail", () => {
  test("says at which record a verdict would have changed", async () => {
    const record = (seq: number, event: string, data: AuditRecord["data"], time = "2026-06-01T00:00:00.000Z"): AuditRecord => ({
      ...{ seq, time, timeSource: "nitz", event, cause: "module", prev: "" },
      ...(data === undefined ? {} : { data }),
    });
    async function* trail(): AsyncIterable<AuditRecord> {
      yield record(1, "daemon.started", undefined);
      yield record(2, "network.changed", { plmn: "26201", roaming: false });
      yield record(3, "path.up", { plmn: "28601" });
      yield record(4, "eim.pollAsked", {});
      yield record(5, "imeiLock.mismatch", { differs: ["imei"] });
      yield record(6, "imeiLock.match", { differs: [] });
      yield record(7, "network.changed", { plmn: "26201" }, "2026-06-02T00:00:00.000Z");
    }
    const changes: string[] = [];
    for await (const { change } of replay([abroad, lock], trail()))
      if (change !== undefined) changes.push(`${change.record.seq} ${change.data.kind} ${change.actions.map(({ kind }) => kind).join()}`);
    expect(changes).toEqual(["3 warn ", "5 refuse alarm,pollEim", "6 warn ", "7 allow "]);
  });
});

describe("a replay of what the tunnel and caps said", () => {
  const rules = bindRules(
    parseConfig(
      '[modem]\naddress = "pty:/x"\n[tunnel]\ngateway = "v.example"\nlocal_id = "a.example"\nremote_id = "v.example"\nca = "/ca"\ncertificate_credential = "c"\nkey_credential = "k"\n',
    ),
  );
  const record = (seq: number, event: string, data: object, day: number): AuditRecord => ({
    ...{ seq, time: `2026-06-0${day}T00:00:00.000Z`, timeSource: "nitz", event, cause: "x", prev: "" },
    data: data as NonNullable<AuditRecord["data"]>,
  });
  const cap = { cap: "all", usedBytes: 9, limitBytes: 10, action: "block", from: "2026-06-01", to: "2026-06-02" };

  test("refuses while they did, and until the period's end", async () => {
    async function* trail(): AsyncIterable<AuditRecord> {
      yield record(1, "daemon.started", {}, 1);
      yield record(2, "tunnel.up", {}, 1);
      yield record(3, "usage.warned", { ...cap, percent: 90 }, 1);
      yield record(4, "usage.capReached", { ...cap, percent: 100 }, 1);
      yield record(5, "usage.reset", { cap: "all" }, 2);
      yield record(6, "usage.capReached", { ...cap, percent: 100 }, 2);
      yield record(7, "eim.pollAsked", {}, 3);
      yield record(8, "tunnel.down", { reason: "the gateway is gone" }, 3);
    }
    const changes: string[] = [];
    for await (const { change } of replay(rules, trail()))
      if (change !== undefined)
        changes.push(`${change.record.seq} ${change.data.kind} ${change.data.kind === "allow" ? "" : change.data.rule}`);
    expect(changes).toEqual([
      "1 refuse tunnel_required",
      "2 allow ",
      "3 warn usage",
      "4 refuse usage",
      "5 allow ",
      "6 refuse usage",
      "7 allow ",
      "8 refuse tunnel_required",
    ]);
  });
});

test("facts as policy explain shows them, whatever sections they have, are taken by policy simulate", () => {
  const vehicle = { iccid: "89490200001000000017", clockTrusted: true, todayDay: 20_000 };
  const facts: { readonly [K in keyof Required<LastingFacts>]: LastingFacts[K] } = {
    vehicle,
    lock: { state: "match", differs: [] },
    roaming: { standings: [], country: "DE", homeCountry: "DE", isCertain: true },
    market: { country: "DE", enteredFrom: "AT" },
    lifecycle: { stage: "operational" },
    usage: {
      ...{ caps: [], management: { usedBytes: 0, reserveBytes: 0, isUsedUp: false, fitsDownload: true } },
      ...{ reserveEnd: "alarm", periodEndMs: 0, isCertain: true, isCounted: true },
    },
    tunnel: { required: true, phase: "up" },
  };
  expect(parse(simulatedFacts, JSON.parse(JSON.stringify(facts)))).toEqual(facts);
});

describe("after a restart", () => {
  const mismatch = { lock: { state: "mismatch", differs: ["imei"], since: undefined } } as unknown as Facts;

  test("what a rule refused stays refused until it can decide anew", async () => {
    const { engine } = bench([lock], { imei_lock: "refuse imei_lock" });
    expect(engine.data).toMatchObject({ kind: "refuse", rule: "imei_lock" });
    await engine.update(mismatch);
    expect(engine.data).toMatchObject({ kind: "refuse", reason: expect.stringContaining("IMEI") });
    await engine.update({ lock: { state: "match" } } as unknown as Facts);
    expect(engine.data).toEqual({ kind: "allow" });
  });

  test("what it only warned of does not come back before that", () => {
    expect(bench([lock], { imei_lock: "warn imei_lock" }).engine.data).toEqual({ kind: "allow" });
  });
});
