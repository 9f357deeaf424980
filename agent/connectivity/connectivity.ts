// What keeps the vehicle on the air beside the keeper itself, made and tied together: operators, probe, radio policy, session records.
import { array, object, optional, parse, string } from "valibot";
import type { Bands } from "../../at-drivers/family.ts";
import type { DataSession, Modem } from "../../at-drivers/modem.ts";
import { abortable } from "../../at-drivers/retry.ts";
import type { Clock } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { Config } from "../config/schema.ts";
import type { EmergencyWatch } from "../emergency.ts";
import { openState } from "../state/store.ts";
import { createKeeper, type Keeper, type KeeperOptions } from "./keeper.ts";
import { createOperatorLadder, type OperatorLadder, openOperatorMemory } from "./operator-ladder.ts";
import type { Ask } from "./probe-net.ts";
import { createProber, type Prober, type ProbeTarget } from "./prober.ts";
import { createRadioKeeper, type RadioKeeper, type RadioMemory } from "./radio.ts";
import type { RadioWish } from "./radio-plan.ts";
import { createSessionBook, type SessionBook, type SessionBookOptions } from "./sessions.ts";
import { initialThroughput, nextThroughput, type Rate, rateIn, type Transfer } from "./throughput.ts";

/** An eIM as far as the probe needs to know it. */
export interface ProbedEim {
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly binding: string | undefined;
}

export interface ConnectivityOptions {
  readonly config: Config;
  readonly modem: Modem;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly emergency: EmergencyWatch;
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly keeper: Omit<KeeperOptions, "modem" | "clock" | "log" | "emergency" | "audit" | "operators" | "prober" | "apns" | "radio">;
  readonly eims: () => readonly ProbedEim[];
  /** The IPA is at work with the card. */
  readonly isCardBusy: () => boolean;
  /** Whether the fleet wants that operator used where it is. */
  readonly mayUse?: ((plmn: string) => boolean) | undefined;
  /** `[[apn]]` as it holds now: where the vehicle is, and in its stage. */
  readonly apns: () => KeeperOptions["apns"];
  readonly ask: Ask;
  readonly bytes?: SessionBookOptions["bytes"];
  readonly settle?: SessionBookOptions["settle"];
  readonly parties?: SessionBookOptions["parties"];
  /** Puts the session where it can be asked over, before it counts as a path; false: that has failed, so there is nothing to ask. */
  readonly reach?: ((session: DataSession) => Promise<boolean>) | undefined;
  readonly onProblem: (source: "radio" | "path", problem: SimwardError | undefined) => void;
}

export interface Connectivity {
  readonly keeper: Keeper;
  readonly operators: OperatorLadder;
  readonly prober: Prober;
  readonly radio: RadioKeeper;
  readonly sessions: SessionBook;
  /** Of the last large transfer in the present network; undefined: none was made. */
  readonly rate: Rate | undefined;
  /** An exchange was made, whose rate tells of the network. */
  transferred(done: Omit<Transfer, "plmn" | "rat">): void;
  start(): void;
  stop(): Promise<void>;
}

const dnsPort = 53;

export async function createConnectivity(options: ConnectivityOptions): Promise<Connectivity> {
  const { config, modem, disk, clock, log, emergency, audit } = options;
  const operators = createOperatorLadder({
    ...{ modem, clock, log, audit, isCardBusy: options.isCardBusy, mayUse: options.mayUse },
    memory: await openOperatorMemory(disk, log),
  });
  const witnesses = await openState<{ readonly witnesses: readonly string[] }>({
    disk,
    name: "witnesses",
    version: 1,
    initial: { witnesses: [] },
    parse: (value) => parse(object({ witnesses: array(string()) }), value),
    onLost: (error) => log.error("who has answered probes is lost", { error }),
  });
  const prober = createProber({
    targets: (session) => targetsOf(config.probe, session, options.eims()),
    ask: options.ask,
    clock,
    log,
    intervalMs: config.probe.interval_seconds * 1_000,
    onDead: (reason) => keeper.giveUp(reason),
    witnesses: witnesses.get().witnesses,
    onWitness: (known) => void witnesses.hold(() => ({ witnesses: known })),
    onChange: ({ verdict, isSuspended }) => {
      if (verdict === "passing" || verdict === "unknown") options.onProblem("path", undefined);
      else if (isSuspended) options.onProblem("path", new SimwardError("PATH_DEAD", { detail: "with every operator in reach" }));
    },
  });
  const keeper: Keeper = createKeeper({
    ...options.keeper,
    ...{ modem, clock, log, emergency, audit, operators },
    prober: {
      triedAll: prober.triedAll,
      async verify(session, signal) {
        // An interface that fails is no fault of the APN or the operator.
        if (options.reach !== undefined && !(await abortable(options.reach(session), signal))) return true;
        return prober.verify(session, signal);
      },
    },
    get apns() {
      return options.apns();
    },
    radio: config.radio,
  });
  const radio = createRadioKeeper({
    ...{ modem, keeper, clock, log, emergency, audit },
    wish: wishOf(config.radio),
    isStationary: config.radio.stationary,
    registrationMs: config.radio.registration_timeout_seconds * 1_000,
    memory: await openRadioMemory(disk, log),
    onProblem: (problem) => options.onProblem("radio", problem),
  });
  const sessions = createSessionBook({
    clock,
    audit,
    registration: () => modem.status.registration,
    bytes: options.bytes,
    settle: options.settle,
    parties: options.parties,
  });
  let throughput = initialThroughput;
  let dispose = (): void => {};
  return {
    ...{ keeper, operators, prober, radio, sessions },
    get rate() {
      const { plmn, rat } = modem.status.registration;
      return rateIn(throughput, plmn, rat);
    },
    transferred(done) {
      const { plmn, rat } = modem.status.registration;
      throughput = nextThroughput(throughput, { ...done, plmn, rat }).state;
    },
    start() {
      dispose = keeper.onPath((path) => {
        sessions.path(path);
        prober.session(path.session);
      });
      radio.start();
    },
    async stop() {
      dispose();
      prober.stop();
      await radio.stop();
      await sessions.close("simward stops");
    },
  };
}

/** Resolvers first: they answer soonest, and tell a network that is down from an eIM that is. */
export function targetsOf(probe: Config["probe"], session: DataSession, eims: readonly ProbedEim[]): readonly ProbeTarget[] {
  const dns = probe.targets.includes("dns") ? session.dns.slice(0, 2) : [];
  const asked = probe.targets.includes("eim") ? eims : [];
  return [
    ...dns.map((host): ProbeTarget => ({ kind: "dns", way: "dns", host, port: dnsPort, from: session.address })),
    ...probe.hosts.map((text): ProbeTarget => {
      const at = text.lastIndexOf(":");
      return { kind: "host", way: "tcp", host: text.slice(0, at), port: Number(text.slice(at + 1)) };
    }),
    ...asked.flatMap(({ host, port, binding }): ProbeTarget[] =>
      host === undefined || port === undefined || binding === undefined || binding === "none"
        ? []
        : [{ kind: "eim", way: binding.startsWith("https") ? "tcp" : "dtls", host, port }],
    ),
  ];
}

export function wishOf(radio: Config["radio"]): RadioWish {
  const { rats, bands, psm, psm_periodic_tau_seconds, psm_active_seconds, edrx_seconds } = radio;
  const wanted: Bands = {
    ...(bands?.lte_m === undefined ? {} : { "lte-m": bands.lte_m }),
    ...(bands?.cat_1bis === undefined ? {} : { lte: bands.cat_1bis }),
    ...(bands?.nb_iot === undefined ? {} : { "nb-iot": bands.nb_iot }),
  };
  return {
    rats,
    bands: Object.keys(wanted).length === 0 ? undefined : wanted,
    psm: psm === "on" ? { periodicTauSeconds: psm_periodic_tau_seconds, activeSeconds: psm_active_seconds } : psm,
    edrxSeconds: edrx_seconds,
  };
}

async function openRadioMemory(disk: Disk, log: Log): Promise<RadioMemory> {
  const store = await openState<{ readonly failed?: string | undefined }>({
    disk,
    name: "radio",
    version: 1,
    initial: {},
    parse: (value) => parse(object({ failed: optional(string()) }), value),
    onLost: (error) => log.error("what was known of radio settings is lost", { error }),
  });
  return {
    failed: () => store.get().failed,
    async note(failed) {
      if (failed === store.get().failed) return;
      await store.hold(() => (failed === undefined ? {} : { failed }));
    },
  };
}
