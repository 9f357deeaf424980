// One profile switch after the other on the virtual module with a whole eUICC, in virtual time, with something going wrong in most of them.
// What must be true after each: the module shows the profile that the card has enabled, there is a data session, no logical channel is left open.

import { iccidToBytes } from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { integerBelow, type Random, seededRandom } from "../../base/random.ts";
import { createEuicc } from "../../hw-sim/euicc/euicc.ts";
import { buildProfilePackage } from "../../hw-sim/euicc/pe/builder.ts";
import type { FactoryProfile, VirtualEuicc } from "../../hw-sim/euicc/types.ts";
import { CmeError } from "../../hw-sim/modem/cme.ts";
import { generic3gpp, type Personality } from "../../hw-sim/modem/personality.ts";
import { createPki } from "../../hw-sim/pki/pki.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { enableProfile, getEid } from "../../ipa/euicc/es10.ts";
import { createEuiccSession, isdrAid, type OwnedEuiccSession } from "../../ipa/euicc/session.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import { type ModuleBench, moduleBench } from "../at-drivers/module-bench.ts";

const plans = [
  { iccid: "8988211000000000011", imsi: "901980000000001" },
  { iccid: "8949020000000000022", imsi: "262990000000002" },
] as const;

/** One may be the n-th command from now, whatever it is, or the n-th of a name. */
const commands = ["", "", "+CCHO@", "+CGLA@", "+CCHC@", "+CPIN@", "+CFUN@", "+CEREG@", "+CGACT@"] as const;
const nth = (random: Random): string => `${commands[integerBelow(random, commands.length)] ?? ""}${1 + integerBelow(random, 6)}`;

/** What goes wrong, as the module's faults have it. */
const troubles: readonly ((random: Random) => readonly (readonly [name: string, value: string])[])[] = [
  () => [],
  (random) => [["error", nth(random)]],
  (random) => [["cme", `${nth(random)}:${[3, 10, 13, 14, 100][integerBelow(random, 5)]}`]],
  (random) => [["error-done", nth(random)]],
  (random) => [["garbage", nth(random)]],
  (random) => [["late", `${nth(random)}:${500 + integerBelow(random, 40_000)}`]],
  (random) => [["hang-up", nth(random)]],
  (random) => [["reset", nth(random)]],
  (random) => [
    ["reset", nth(random)],
    ["hang-up-on-reset", "1"],
  ],
  () => [["hang-up-on-radio-off", "1"]],
  (random) => [["silent-commands", `${1 + integerBelow(random, 4)}`]],
  (random) => [["silent-ms", `${1_000 + integerBelow(random, 120_000)}`]],
  (random) => [["spew", `${1 + integerBelow(random, 30_000)}`]],
  () => [["urc", '+CEREG: 2,"0000","00000000",7']],
  () => [["hang", "1"]],
];
/** Faults that stay are taken away when the profile has been switched; those that name an nth command may strike in the next switch. */
const staying = ["hang-up-on-reset", "hang-up-on-radio-off", "urc"] as const;

export interface SwitchStatistics {
  readonly switches: number;
  /** From the order to the data session, virtual time. */
  readonly longestMs: number;
  /** Times a switch had to be ordered again, because the card never got it, or refused it. */
  readonly repeats: number;
  /** How often each step of the refresh ladder, and of the recovery ladder, was taken. */
  readonly refreshSteps: Readonly<Record<string, number>>;
  readonly recoverySteps: Readonly<Record<string, number>>;
}

export interface SwitchBenchOptions {
  readonly seed: number;
  readonly personality?: Personality;
}

const anEid = { tagList: Uint8Array.of(0x5a) };
/** Until the vehicle is online with the new profile; far more than any ladder takes. */
const switchLimitMs = 2 * 3_600_000;

export class SwitchBench {
  readonly bench: ModuleBench;
  readonly euicc: VirtualEuicc;
  readonly #random: Random;
  readonly #session: OwnedEuiccSession;
  readonly #cid: number;
  #openPorts = 0;
  #switches = 0;
  #longestMs = 0;
  #repeats = 0;
  readonly #refreshSteps: Record<string, number> = {};
  readonly #recoverySteps: Record<string, number> = {};

  constructor({ seed, personality = generic3gpp }: SwitchBenchOptions) {
    this.#random = seededRandom(seed);
    this.euicc = euiccWith(plans);
    this.#cid = personality.contexts.defaultCid;
    const bench: ModuleBench = moduleBench({
      module: { personality, uicc: this.euicc },
      line: (channel) => {
        this.#openPorts++;
        void channel.closed.then(() => this.#openPorts--);
        return channel;
      },
      modem: { powerCycle: async () => bench.faults.set("power", "cycle") },
    });
    this.bench = bench;
    this.#session = createEuiccSession({
      card: bench.modem.apdu,
      clock: bench.clock,
      events: { emit: () => undefined },
      terminalCapability: "none",
    });
    bench.modem.onEvent((event) => {
      if (event.kind === "cardSwitch") for (const { step } of event.steps) this.#refreshSteps[step] = (this.#refreshSteps[step] ?? 0) + 1;
      if (event.kind !== "recovery") return;
      const key = `${event.step} ${event.outcome}`;
      this.#recoverySteps[key] = (this.#recoverySteps[key] ?? 0) + 1;
    });
  }

  get statistics(): SwitchStatistics {
    return {
      switches: this.#switches,
      longestMs: this.#longestMs,
      repeats: this.#repeats,
      refreshSteps: this.#refreshSteps,
      recoverySteps: this.#recoverySteps,
    };
  }

  get openPorts(): number {
    return this.#openPorts;
  }

  /** Brings the vehicle online for the first time. */
  async start(): Promise<void> {
    await this.bench.run(this.#goOnline());
  }

  /** Throws with the whole situation when something is not as it must be. */
  async switchOnce(): Promise<void> {
    const { bench, euicc } = this;
    const target = plans.find(({ iccid }) => iccid !== euicc.iccid) ?? plans[0];
    const trouble = troubles[integerBelow(this.#random, troubles.length)]?.(this.#random) ?? [];
    const busy = this.#random.unit() < 0.1;
    for (const [name, value] of trouble) bench.faults.set(name, value);
    if (busy) euicc.faults.catBusyTimes = 1;
    euicc.faults.refreshQualifier = this.#random.unit() < 0.2 ? "none" : 4;
    const startMs = bench.clock.monotonicMs();
    try {
      await bench.run(this.#switchTo(target.iccid), switchLimitMs);
      this.#longestMs = Math.max(this.#longestMs, bench.clock.monotonicMs() - startMs);
      for (const name of staying) bench.faults.clear(name);
      await this.#check(target);
    } catch (error) {
      const { status } = bench.modem;
      const last = bench.sent.slice(-12);
      throw new Error(`switch ${this.#switches + 1} to ${target.iccid}, ${JSON.stringify({ trouble, busy, status, last })}`, {
        cause: error,
      });
    }
    this.#switches++;
    for (const list of [bench.sent, bench.trace, bench.events]) list.length = 0;
  }

  async close(): Promise<void> {
    this.#session.close();
    await this.bench.run(this.bench.modem.close());
    this.bench.module.close();
  }

  /** As the owner of the module does it: orders until the card has done it, then waits until the module uses it and is online. */
  async #switchTo(iccid: string): Promise<void> {
    const { modem, clock } = this.bench;
    for (let tries = 0; this.#enabled() !== iccid; tries++) {
      if (tries > 0) this.#repeats++;
      await this.#despite(async () => {
        await modem.ready();
        await this.#session.withEuicc("switch", (es10) =>
          es10.call(enableProfile, { profileIdentifier: { kind: "iccid" as const, value: iccidToBytes(iccid) }, refreshFlag: true }),
        );
      });
      if (tries > 0) await clock.sleep(2_000);
    }
    await this.#goOnline(iccid);
  }

  async #goOnline(iccid: string = this.#enabled() ?? ""): Promise<void> {
    const { modem, clock } = this.bench;
    for (let isOnline = false; !isOnline; ) {
      isOnline = await this.#despite(async () => {
        await modem.ready();
        await modem.awaitCard({ iccid });
        await modem.awaitRegistered({ timeoutMs: 180_000 });
        await modem.connect(this.#cid);
      });
      if (!isOnline) await clock.sleep(3_000);
    }
  }

  async #check({ iccid }: { readonly iccid: string }): Promise<void> {
    const { modem, run } = this.bench;
    // A fault that was left may strike here; what is asked for again must be right then.
    for (let right = false; !right; ) {
      right = await run(
        this.#despite(async () => {
          await modem.ready();
          await this.#session.withEuicc("check", (es10) => es10.call(getEid, anEid));
          if ((await modem.iccid()) !== iccid) throw new Error(`the module shows ${modem.status.iccid}`);
        }),
      );
    }
    if (this.#openPorts !== 1) throw new Error(`${this.#openPorts} ports are open`);
    // A fault may have hit the closing itself: what it left open, the next use finds and closes.
    if ((await this.#leaked()) === 0) return;
    for (let uses = 0; uses < 2; uses++)
      await run(this.#despite(async () => void (await this.#session.withEuicc("again", (es10) => es10.call(getEid, anEid)))));
    const leaked = await this.#leaked();
    if (leaked > 0) throw new Error(`${leaked} logical channels have leaked`);
  }

  /** How many logical channels cannot be opened, asked behind the driver's back. */
  async #leaked(): Promise<number> {
    const { sim, personality } = this.bench.module;
    await this.bench.until(() => sim.state === "ready", 120_000);
    const sessions: string[] = [];
    try {
      for (let n = 0; n < personality.maxChannels; n++) sessions.push(await sim.open(isdrAid));
    } catch (error) {
      if (!(error instanceof CmeError)) throw error;
    }
    for (const session of sessions) await sim.close(session);
    return personality.maxChannels - sessions.length;
  }

  /** What goes wrong on purpose ends in errors of ours, and in no others. */
  async #despite(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof SimwardError) || !/^(AT_|APDU_|PORT_|MODEM_|CARD_|SWITCH_|ES10_|DEADLINE)/.test(error.code)) throw error;
      return false;
    }
  }

  #enabled(): string | undefined {
    return this.euicc.profiles().find(({ state }) => state === "enabled")?.iccid;
  }
}

function euiccWith(installed: typeof plans): VirtualEuicc {
  const pki = createPki({ clock: new VirtualClock() });
  const { certificate: euiccCertificate, privateKey } = pki.get("euicc");
  const identity = {
    ciCertificate: pki.get("ci").certificate,
    eumCertificate: pki.get("eum").certificate,
    ...{ euiccCertificate, privateKey },
  };
  return createEuicc({
    eid: pki.subjects.eid,
    role: "sgp22",
    identities: [identity],
    clock: new VirtualClock(),
    random: seededRandom(9),
    profiles: installed.map(({ iccid, imsi }, index) => factoryProfile(iccid, imsi, index === 0)),
    onChange: () => undefined,
  });
}

/** Nobody wants to hear of its switches: a thousand notifications would be the card's memory, not the driver's. */
function factoryProfile(iccid: string, imsi: string, enabled: boolean): FactoryProfile {
  const key = new Uint8Array(16).fill(enabled ? 1 : 2);
  const upp = buildProfilePackage({ iccid, imsi, spn: "Switch", ki: key, opc: key });
  const metadata = encode(StoreMetadataRequest, {
    iccid: iccidToBytes(iccid),
    serviceProviderName: "Operator",
    profileName: `Profile ${iccid.slice(-2)}`,
    profileClass: "operational",
  });
  return { upp, metadata, enabled };
}
