// One cell of the matrix: one make of module under one trouble, from power to the last look at it, in virtual time.
// Each step is a claim about both sides, simward's and the virtual module's; what is refused must be what `refusals` expects.
import { familyNamed, familyOf } from "../../../at-drivers/families/table.ts";
import type { Modem } from "../../../at-drivers/modem.ts";
import type { Rat } from "../../../at-drivers/types.ts";
import { asSimwardError, type ErrorCode, isCode } from "../../../base/errors.ts";
import type { Log } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import type { SimRat } from "../../../hw-sim/contracts.ts";
import { withQuirks } from "../../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import type { Personality } from "../../../hw-sim/modem/personality.ts";
import type { Pki } from "../../../hw-sim/pki/pki.ts";
import { bootstrapIccid, FaultBench, offeredIccid } from "../fault-bench.ts";
import { apduCommand, type Column, hasApdus } from "./columns.ts";

export const steps = ["family", "online", "poll", "download", "change", "report", "apn", "rat", "restart", "channels"] as const;
export type Step = (typeof steps)[number];

export interface Cell {
  readonly personality: string;
  readonly column: string;
  /** What came of each step: reached, nothing there to reach, or refused as expected. Those behind `wrong` are missing. */
  readonly steps: Readonly<Partial<Record<Step, "ok" | "none" | ErrorCode>>>;
  /** Orders that a power cut ended, that were reported as such, and placed again. */
  readonly again: number;
  readonly wrong: string | undefined;
  /** Of virtual time. */
  readonly tookMs: number;
}

/** Which family a make must be taken for; written down here and nowhere derived. */
const familyOfMake: Readonly<Record<string, string>> = {
  generic: "generic-3gpp",
  "quectel-bg95": "quectel-bg9x",
  "quectel-bg96": "quectel-bg9x",
  "quectel-bg77": "quectel-bg9x",
  "quectel-eg25": "quectel-ec2x",
  "quectel-eg915u": "quectel-ec200",
  "quectel-eg800k": "quectel-ec200",
  "quectel-ec200": "quectel-ec200",
  "telit-me310": "telit-me",
  "telit-me910": "telit-me",
};

export const expectedFamily = (id: string): string => familyOfMake[id] ?? id;

/** What a make lacks, by its maker's manual, and how simward must say so. */
const refusals: Readonly<Record<string, Readonly<Partial<Record<Step, ErrorCode>>>>> = {
  // Its manual has +CRSM alone.
  "quectel-bg96": { download: "APDU_ACCESS", change: "APDU_ACCESS", report: "APDU_ACCESS" },
  // The modem core has no command for it, and its application's is not known.
  "nordic-nrf91": { restart: "AT_ERROR" },
};

export const expectedRefusal = (id: string, step: Step): ErrorCode | undefined => refusals[id]?.[step];

/** The virtual world has no UTRAN. */
const simRat: Readonly<Partial<Record<Rat, SimRat>>> = { gsm: "gsm", lte: "cat-1bis", "lte-m": "lte-m", "nb-iot": "nb-iot" };
const aidOfIsdR = Uint8Array.from(Buffer.from("A0000005591010FFFFFFFF8900000100", "hex"));
const openChannel = Uint8Array.of(0x00, 0x70, 0x00, 0x00, 0x01);
const apns = { bootstrap: "bootstrap.iot", fleet: "fleet.rheinfunk" } as const;
/** A SIM that is busy for half a minute after each reset of it outlasts a shorter time to be online in. */
const config = { eim: { poll_interval_seconds: 60, online_timeout_seconds: 180 } };
const limitMs = 4 * 3_600_000;
/** A wrong APN must not stay. */
const onlineLimitMs = 60_000;
const timesOrdered = 3;
const timesAsked = 30;

export interface CellOptions {
  readonly pki: Pki;
  readonly seed: number;
  readonly log?: Log | undefined;
}

/** `id` is a personality's. */
export async function runCell(id: string, column: Column, { pki, seed, log }: CellOptions): Promise<Cell> {
  const plain = personalities[id];
  if (plain === undefined) throw new Error(`no personality ${id}`);
  const personality = withQuirks(plain, column.quirk === undefined ? [] : [column.quirk]);
  const bench = new FaultBench({ pki, seed, personality, powerHook: true, config });
  if (log !== undefined) bench.log = log;
  const run = new Run(id, personality, column, bench, seed);
  let wrong: string | undefined;
  try {
    await run.all();
  } catch (error) {
    wrong = error instanceof Error ? error.message : String(error);
  }
  const tookMs = Math.round(bench.clock.monotonicMs());
  await bench.stop().catch((error: unknown) => {
    wrong ??= `does not stop: ${error instanceof Error ? error.message : error}`;
  });
  const { problem } = await bench.readBack();
  if (problem !== undefined) wrong ??= `the audit trail is broken: ${problem}`;
  return { personality: id, column: column.id, steps: run.reached, again: run.again, wrong, tookMs };
}

class Run {
  readonly reached: Partial<Record<Step, "ok" | "none" | ErrorCode>> = {};
  again = 0;
  readonly #id: string;
  readonly #personality: Personality;
  readonly #column: Column;
  readonly #bench: FaultBench;
  readonly #random: ReturnType<typeof seededRandom>;

  constructor(id: string, personality: Personality, column: Column, bench: FaultBench, seed: number) {
    this.#id = id;
    this.#personality = personality;
    this.#column = column;
    this.#bench = bench;
    this.#random = seededRandom(seed);
  }

  async all(): Promise<void> {
    const bench = this.#bench;
    this.#strike("start");
    bench.start();
    await this.#step("family", () => this.#family());
    await this.#step("online", () => this.#online(apns.bootstrap));
    if (this.#column.quirk === "own-lpa") await this.#switchOwnLpaOff();
    if (hasApdus(this.#personality)) {
      await this.#step("poll", () => bench.until("a poll", () => bench.polls > 0, limitMs));
      await this.#step("download", () => this.#download());
      await this.#step("change", () => this.#change());
      await this.#step("report", () => this.#report());
    } else {
      this.#strike("download");
      this.#strike("change");
      for (const step of ["download", "change", "report"] as const) await this.#step(step, () => this.#openIsdR());
      this.reached.poll = "none";
    }
    for (const { name } of bench.faults.list()) bench.faults.clear(name);
    const apn = hasApdus(this.#personality) ? apns.fleet : apns.bootstrap;
    await this.#step("apn", () => this.#apn(apn));
    await this.#step("rat", () => this.#rats());
    await this.#step("restart", () => this.#restart(apn));
    await this.#step("channels", () => this.#channels());
  }

  /** Answers "none" where there is nothing to reach. */
  async #step(step: Step, does: () => Promise<unknown>): Promise<void> {
    const expected = expectedRefusal(this.#id, step);
    try {
      const came = await does();
      if (expected !== undefined) throw new Error(`must be refused with ${expected}, and was not`);
      this.reached[step] = came === "none" ? "none" : "ok";
    } catch (error) {
      const { code } = asSimwardError(error);
      if (expected === undefined || code !== expected) throw new Error(`${step}: ${error instanceof Error ? error.message : error}`);
      this.reached[step] = code;
    }
  }

  #strike(moment: Column["at"]): void {
    const { at, fault, forMs } = this.#column;
    if (at !== moment || fault === undefined) return;
    const { name, value } = fault(apduCommand(this.#personality), this.#random);
    const { faults, clock } = this.#bench;
    faults.set(name, value);
    if (forMs !== undefined) clock.after(forMs, () => faults.clear(name));
  }

  get #modem(): Modem {
    const { modem } = this.#bench;
    if (modem === undefined) throw new Error("there is no daemon");
    return modem;
  }

  /** Lets virtual time go by until it is settled. */
  async #settled<T>(what: string, job: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    job.then(done, done);
    await this.#bench.until(what, () => isSettled, limitMs);
    return job;
  }

  /** On the module while its link is ready, and again where a trouble cuts it off. */
  async #withModem<T>(what: string, job: (modem: Modem) => Promise<T>): Promise<T> {
    await this.#bench.until("a daemon", () => this.#bench.modem !== undefined);
    await this.#settled("the module is ready", this.#modem.ready());
    return this.#settled(what, job(this.#modem));
  }

  async #family(): Promise<void> {
    await this.#settled("the module is ready", this.#modem.ready());
    const wanted = expectedFamily(this.#id);
    same("family", this.#modem.status.family, wanted);
    same("the family by its identity", familyOf(this.#modem.identity()).id, wanted);
    same("model", this.#modem.identity().model, this.#personality.model);
  }

  async #online(apn: string): Promise<void> {
    const bench = this.#bench;
    const endMs = bench.clock.monotonicMs() + onlineLimitMs;
    const apnNow = (): string | undefined =>
      bench.module.packet.contexts.find(({ cid }) => cid === this.#personality.contexts.defaultCid)?.apn;
    for (let address: string | undefined; address === undefined || apnNow() !== apn; ) {
      if (bench.clock.monotonicMs() >= endMs)
        throw new Error(`online with the APN ${JSON.stringify(apnNow())}, not ${JSON.stringify(apn)}`);
      await bench.until("online", () => bench.online && bench.agent !== undefined, limitMs);
      await this.#pause();
      const status = bench.agent?.status();
      address = bench.online && status !== undefined ? (await this.#settled("the status", status)).network.address : undefined;
    }
  }

  async #pause(): Promise<void> {
    const endMs = this.#bench.clock.monotonicMs() + 1_000;
    await this.#bench.until("a second", () => this.#bench.clock.monotonicMs() >= endMs);
  }

  /** What an operator does about a module that keeps the eUICC to itself. */
  async #switchOwnLpaOff(): Promise<void> {
    const modem = this.#modem;
    const { ownLpa } = modem.status;
    if (ownLpa === undefined || ownLpa.on !== true || !ownLpa.remedy.includes("lpa_enable"))
      throw new Error(`own-lpa: the module's own assistant is told as ${JSON.stringify(ownLpa)}`);
    const port = this.#bench.module.openPort({ write: () => undefined, hangUp: () => undefined });
    port.receive(Buffer.from('AT+QESIM="lpa_enable",0\r'));
    await this.#pause();
    this.#bench.module.closePort(port);
    await this.#settled("a restart", modem.reset());
  }

  /** Asked again while a trouble is what speaks. */
  async #openIsdR(): Promise<void> {
    for (let times = 1; ; times++) {
      try {
        const channel = await this.#withModem("the ISD-R", (modem) => modem.apdu.open(aidOfIsdR));
        return await channel.close();
      } catch (error) {
        if (
          times === timesAsked ||
          !isCode(error, "AT_TIMEOUT", "AT_LINE_TOO_LONG", "PORT_CLOSED", "MODEM_ABSENT", "AT_CME_ERROR", "AT_ERROR")
        )
          throw error;
        await this.#pause();
      }
    }
  }

  /** Places the order until it is done; only a cut of power may end it otherwise, and then it is reported as that. */
  async #carriedOut(place: () => string, cutOff: RegExp): Promise<void> {
    const { eim } = this.#bench;
    for (let times = 1; ; times++) {
      const id = place();
      const state = (): string => String(eim.order(id)?.state);
      await this.#bench.until(`order ${times}`, () => state() === "done" || state() === "failed", limitMs);
      if (state() === "done") return;
      const reason = String(eim.order(id)?.reason);
      if (this.#column.cutsPower !== true || !cutOff.test(reason) || times === timesOrdered) throw new Error(`the order failed: ${reason}`);
      this.again++;
    }
  }

  async #download(): Promise<void> {
    const bench = this.#bench;
    this.#strike("download");
    await this.#carriedOut(() => bench.orderDownload(), /^installFailedDueToInterruption$/);
    same(
      "installed",
      bench.euicc.profiles().map(({ iccid }) => iccid),
      [bootstrapIccid, offeredIccid],
    );
  }

  async #change(): Promise<void> {
    const bench = this.#bench;
    this.#strike("change");
    await this.#carriedOut(() => bench.orderEnable(), /^processingTerminated: interruption$/);
    const enabled = bench.euicc.profiles().filter(({ state }) => state === "enabled");
    same(
      "enabled",
      enabled.map(({ iccid }) => iccid),
      [offeredIccid],
    );
    same("what the module uses", bench.module.sim.iccid, offeredIccid);
    same("the ICCID read", await this.#withModem("the ICCID", (modem) => modem.iccid()), offeredIccid);
    await this.#online(apns.fleet);
  }

  async #report(): Promise<void> {
    const bench = this.#bench;
    await bench.until("nothing is owed", () => bench.idle, limitMs);
    const commands = bench.eim.results().at(-1)?.commands as readonly { readonly kind: string; readonly value: unknown }[];
    same(
      "commands",
      commands.map(({ kind, value }) => `${kind} ${String(value)}`),
      ["enableResult ok"],
    );
    const heard = bench.smdp.notifications.filter(({ event }) => event === "enable").map(({ iccid }) => iccid);
    same("what the SM-DP+ heard enabled", heard, [offeredIccid]);
  }

  async #apn(apn: string): Promise<void> {
    await this.#online(apn);
    const { defaultCid } = this.#personality.contexts;
    const contexts = await this.#withModem("contexts", (modem) => modem.contexts());
    same("the APN read back", contexts.find(({ cid }) => cid === defaultCid)?.apn, apn);
    const session = await this.#withModem("the session", (modem) => modem.session(defaultCid));
    if (session === undefined) throw new Error("the module says that there is no session");
  }

  /** The widest choice that family and make have, and back to the one that vehicles use. */
  async #rats(): Promise<"none" | undefined> {
    const { radio } = familyNamed(expectedFamily(this.#id)).quirks;
    if (radio === undefined) return "none";
    const own = this.#personality.rats;
    const possible = radio.modes.filter(({ rats }) => rats.every((rat) => own.some((one) => one === simRat[rat])));
    const main: Rat = own.includes("lte-m") ? "lte-m" : "lte";
    const wide = possible.filter(({ rats }) => rats[0] === main).sort((a, b) => b.rats.length - a.rats.length)[0];
    // Two choices may be one to the module, such as "with GSM" and "automatic": it is read as the first of them.
    const readAs = radio.modes.find(({ values }) => JSON.stringify(values) === JSON.stringify(wide?.values));
    if (wide !== undefined) await this.#choose(wide.rats, readAs?.rats ?? wide.rats);
    await this.#choose([main], [main]);
    // What is so already is not written again: a rewrite deregisters.
    same("a choice that is so already", await this.#withModem("the same choice", (modem) => modem.radio.setAccess([main])), {
      changed: false,
      needsReset: false,
    });
    return undefined;
  }

  async #choose(rats: readonly Rat[], readAs: readonly Rat[]): Promise<void> {
    const { needsReset } = await this.#withModem(`technologies ${rats.join(", ")}`, (modem) => modem.radio.setAccess(rats));
    if (needsReset) await this.#withModem("a restart", (modem) => modem.reset());
    const access = await this.#withModem("technologies", (modem) => modem.radio.access());
    same("technologies read back", [...(access?.rats ?? [])].sort(), [...readAs].sort());
    const served = readAs.flatMap((rat) => simRat[rat] ?? []);
    same("technologies of the module", [...this.#bench.module.rats].sort(), served.sort());
  }

  async #restart(apn: string): Promise<void> {
    await this.#online(apn);
    await this.#withModem("a restart", (modem) => modem.reset());
    await this.#online(apn);
  }

  /** The next channel that the card gives is its first: none is left open. */
  async #channels(): Promise<void> {
    const bench = this.#bench;
    if (hasApdus(this.#personality)) await bench.until("nothing is under way", () => bench.idle, limitMs);
    for (let times = 1; ; times++) {
      const [channel, ...status] = bench.euicc.process(openChannel);
      bench.euicc.process(Uint8Array.of(0x00, 0x70, 0x80, channel ?? 0, 0x00));
      // One may be in use just now; a leak stays.
      if (channel === 1 && status[0] === 0x90) return;
      if (times === timesAsked) throw new Error(`the card gives channel ${channel}: others are open`);
      await this.#pause();
    }
  }
}

function same(what: string, is: unknown, should: unknown): void {
  if (JSON.stringify(is) !== JSON.stringify(should)) throw new Error(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
}
