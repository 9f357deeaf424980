// What a person asks of the vehicle's connectivity through the local API: where it stands, its sessions, a probe, a scan, another APN or technology on trial.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock } from "../../base/clock.ts";
import { deadline } from "../../base/clock.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { ApnTestReport, NetReport, OperatorsReport, ProbeReport, RadioReport, SessionsReport } from "../api/net-types.ts";
import type { AuditLog } from "../audit/types.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { LongActs } from "../module/long-act.ts";
import { refusalText } from "./causes.ts";
import type { Connectivity } from "./connectivity.ts";
import { isFailing } from "./operators.ts";
import { isSunset } from "./radio.ts";
import type { RatChoice } from "./radio-plan.ts";
import type { SignalWatch } from "./signal.ts";
import { isThrottled } from "./throughput.ts";

export interface ApnTest {
  readonly name: string;
  readonly type: "IP" | "IPV6" | "IPV4V6";
  readonly cid: number;
}

export interface NetActs {
  netStatus(): Promise<NetReport>;
  sessions(last: number): Promise<SessionsReport>;
  probe(): Promise<ProbeReport>;
  /** Throws EMERGENCY_ACTIVE, BUSY. It interrupts data. Joins the one that is under way. */
  scan(): Promise<OperatorsReport>;
  /** The one before is restored whatever comes of it. Throws EMERGENCY_ACTIVE. */
  testApn(test: ApnTest): Promise<ApnTestReport>;
  radio(): Promise<RadioReport>;
  /** Throws RADIO_REFUSED, RADIO_FAILED, MODEM_UNABLE, EMERGENCY_ACTIVE. */
  setRats(rats: readonly RatChoice[], cause: string): Promise<RadioReport>;
}

export interface NetActsOptions {
  readonly connectivity: Connectivity;
  readonly modem: Modem;
  readonly signal: SignalWatch;
  readonly audit: Pick<AuditLog, "query">;
  readonly emergency: EmergencyWatch;
  readonly longActs: LongActs;
  readonly clock: Clock;
}

/** A module that was registered a moment ago, with another APN, needs no longer. */
const testMs = 60_000;

export function createNetActs(options: NetActsOptions): NetActs {
  const { connectivity, modem, emergency, clock } = options;
  const { keeper, operators, prober, radio, sessions } = connectivity;
  const scanning = options.longActs.act<"asked" | "scanning" | "answered", OperatorsReport>({
    work: "net scan",
    phases: ["asked", "scanning", "answered"],
    limitMs: () => modem.radio.limits.scanMs,
  });
  const mayDisturb = (): void => {
    if (emergency.sources.length > 0) throw new SimwardError("EMERGENCY_ACTIVE", { detail: emergency.sources.join(", ") });
    if (modem.status.link !== "ready") throw new SimwardError("MODEM_ABSENT", { detail: modem.status.reason ?? modem.address });
  };
  const radioReport = (): RadioReport => {
    const { policy, rats, offered, psm, edrx, isRefused } = radio.status ?? { offered: [], isRefused: false };
    return {
      schema: "simward/radio/1",
      offered: offered ?? [],
      powerSavingRefused: isRefused === true,
      sunset: [...new Set([...(policy ?? []), ...(rats ?? [])])].filter(isSunset),
      ...(policy === undefined ? {} : { policy }),
      ...(rats === undefined ? {} : { rats }),
      ...(psm === undefined
        ? {}
        : { psm: { enabled: psm.enabled, requested: psm.requested, ...(psm.granted === undefined ? {} : { granted: psm.granted }) } }),
      ...(edrx === undefined
        ? {}
        : { edrx: { requested: edrx.requested, ...(edrx.granted === undefined ? {} : { granted: edrx.granted }) } }),
    };
  };
  const pathOf = (): ProbeReport["path"] => {
    const { verdict, roundTripMs, leastMs, isSuspended } = prober.state;
    const { rate } = connectivity;
    return {
      verdict,
      ...(isSuspended ? { everyOperatorTried: true } : {}),
      ...(roundTripMs === undefined ? {} : { roundTripMs: Math.round(roundTripMs) }),
      ...(leastMs === undefined ? {} : { leastRoundTripMs: Math.round(leastMs) }),
      ...(rate === undefined
        ? {}
        : { bitsPerSecond: rate.bitsPerSecond, bestBitsPerSecond: rate.bestBitsPerSecond, throttled: isThrottled(rate) }),
    };
  };
  const timeText = (ms: number): string => new Date(ms).toISOString();

  return {
    async netStatus() {
      const { registration } = modem.status;
      const { up, reason, apn, session } = keeper.path;
      const { phase, plmn, known } = operators.state;
      return {
        schema: "simward/net/1",
        registration: {
          status: registration.status,
          ...(registration.plmn === undefined ? {} : { plmn: registration.plmn }),
          ...(registration.rat === undefined ? {} : { rat: registration.rat }),
          ...(registration.tac === undefined ? {} : { tac: registration.tac }),
          ...(registration.cellId === undefined ? {} : { cellId: registration.cellId }),
          ...(registration.rejectCause === undefined ? {} : { refused: refusalText(registration.rejectCause) }),
        },
        signal: (await options.signal.latest()) ?? {},
        path: {
          up,
          ...pathOf(),
          ...(reason === undefined ? {} : { reason }),
          ...(apn === undefined ? {} : { apn }),
          ...(session === undefined ? {} : { address: session.address, dns: session.dns }),
          ...(session?.mtuBytes === undefined ? {} : { mtuBytes: session.mtuBytes }),
        },
        choice: phase,
        ...(plmn === undefined ? {} : { chosen: plmn }),
        operators: known.map((one) => ({
          plmn: one.plmn,
          failing: isFailing(one, clock.now()),
          at: timeText(one.atMs),
          ...(one.why === undefined ? {} : { why: one.why }),
          ...(one.rsrpDbm === undefined ? {} : { rsrpDbm: one.rsrpDbm }),
        })),
        radio: radioReport(),
      };
    },
    async sessions(last) {
      const records: SessionsReport["records"][number][] = [];
      for await (const { seq, time, data, event } of options.audit.query({ last, event: "session." }))
        records.push({ seq, time, event, ...data });
      const { current, gap } = sessions;
      return {
        schema: "simward/sessions/1",
        ...(current === undefined
          ? {}
          : {
              current: {
                start: timeText(current.startMs),
                seconds: Math.round((clock.monotonicMs() - current.startMonotonicMs) / 1_000),
                address: current.address,
                ...(current.apn === undefined ? {} : { apn: current.apn }),
                ...(current.plmn === undefined ? {} : { plmn: current.plmn }),
                ...(current.rat === undefined ? {} : { rat: current.rat }),
              },
            }),
        ...(gap === undefined ? {} : { gap: { start: timeText(gap.startMs), reason: gap.reason } }),
        records,
      };
    },
    async probe() {
      const answers = await prober.probe();
      return {
        schema: "simward/probe/1",
        path: { up: keeper.path.up, ...pathOf() },
        answers: answers.map(({ target, roundTripMs }) => ({
          target,
          answered: roundTripMs !== undefined,
          ...(roundTripMs === undefined ? {} : { roundTripMs: Math.round(roundTripMs) }),
        })),
      };
    },
    scan: () =>
      scanning.ask(async (phase) => {
        mayDisturb();
        phase("asked");
        const found = await keeper.change(async (signal) => {
          phase("scanning");
          const limit = deadline(
            clock,
            modem.radio.limits.scanMs,
            () => new SimwardError("DEADLINE", { detail: "a scan for operators" }),
            signal,
          );
          return modem.scanOperators(limit.signal).finally(limit.done);
        });
        phase("answered");
        return { schema: "simward/operators/1", operators: found.map(({ plmn, name, status }) => ({ plmn, name, status })) };
      }),
    async testApn({ name, type, cid }) {
      mayDisturb();
      const startMs = clock.monotonicMs();
      return keeper.change(async (signal): Promise<ApnTestReport> => {
        // Where the configuration names APNs the keeper brings them back as soon as it has its turn again; else nobody would.
        const before = (await modem.contexts(signal)).find((one) => one.cid === cid);
        const said = { schema: "simward/apn-test/1", name, type, cid } as const;
        const limit = deadline(
          clock,
          2 * testMs,
          () => new SimwardError("NO_DATA_PATH", { detail: `APN ${JSON.stringify(name)}` }),
          signal,
        );
        try {
          await modem.ensureContext({ cid, type, apn: name }, undefined, limit.signal);
          rehearsal()?.end();
          await modem.awaitRegistered({ timeoutMs: testMs, signal: limit.signal });
          const session = await modem.connect(cid, limit.signal);
          const passes = await prober.verify(session, limit.signal);
          const tookMs = Math.round(clock.monotonicMs() - startMs);
          return { ...said, outcome: passes ? "works" : "nothing-passes", address: session.address, tookMs };
        } catch (error) {
          signal.throwIfAborted();
          const explained = await keeper.explain(asSimwardError(error));
          return { ...said, outcome: "refused", tookMs: Math.round(clock.monotonicMs() - startMs), error: errorReport(explained) };
        } finally {
          limit.done();
          if (before !== undefined && rehearsal() === undefined) await modem.ensureContext(before, undefined, signal);
        }
      });
    },
    async radio() {
      if (modem.status.link === "ready") await radio.read();
      return radioReport();
    },
    async setRats(rats, cause) {
      mayDisturb();
      await radio.set(rats, cause);
      return radioReport();
    },
  };
}
