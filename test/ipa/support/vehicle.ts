// A vehicle in one process for tests of the IPA: the virtual eUICC behind logical channels, virtual eIMs and SM-DP+ behind a transport,
// a module that follows the card, coverage by ICCID, a journal and a life that can end at any of its writes.
import { iccidToBytes, utf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { seededRandom } from "../../../base/random.ts";
import { createEim, type Eim, type EimOptions } from "../../../hw-sim/eim/eim.ts";
import { answerJson } from "../../../hw-sim/eim/json.ts";
import type { ConfigurationOptions } from "../../../hw-sim/eim/packages.ts";
import { createEuicc } from "../../../hw-sim/euicc/euicc.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import type { EuiccOptions, FactoryProfile, VirtualEuicc } from "../../../hw-sim/euicc/types.ts";
import { createPki, type Pki } from "../../../hw-sim/pki/pki.ts";
import { createSmdp, type Smdp } from "../../../hw-sim/smdp/smdp.ts";
import { createSmds, type Smds } from "../../../hw-sim/smds/smds.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import type { IpaEvent } from "../../../ipa/events.ts";
import { createIpa, type Ipa, type PollOutcome } from "../../../ipa/ipa.ts";
import { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";
import type { IpaOptions } from "../../../ipa/options.ts";
import type { ApduAccess, ApduChannel, ConsumerPorts, EsipaTransport, GateFacts, RspPorts, Verdict } from "../../../ipa/ports.ts";

export const clock = new VirtualClock();
export const pki: Pki = createPki({ clock });
export const { eid } = pki.subjects;

/** Bootstrap, installed and enabled at the factory. */
export const a = "89460000000000000012";
/** Installed at the factory where a test says so, disabled. */
export const b = "89460000000000000020";
/** To be downloaded. */
export const c = "89460000000000000038";

const key = (fill: number): Uint8Array => new Uint8Array(16).fill(fill);
const smdpAddress = "dp.example.com";
const smdsAddress = "testrootsmds.example.com";

function recipe(iccid: string): { readonly upp: Uint8Array; readonly metadata: StoreMetadataRequest } {
  const last = Number(iccid.slice(-2, -1));
  return {
    upp: buildProfilePackage({ iccid, imsi: `26201000000000${last}`, spn: `SIM ${last}`, ki: key(last), opc: key(0x80 + last) }),
    metadata: {
      iccid: iccidToBytes(iccid),
      serviceProviderName: `Operator ${last}`,
      profileName: `Profile ${last}`,
      profileClass: "operational",
      notificationConfigurationInfo: [
        {
          profileManagementOperation: ["notificationInstall", "notificationEnable", "notificationDisable", "notificationDelete"],
          notificationAddress: smdpAddress,
        },
      ],
    },
  };
}

export function factoryProfile(iccid: string, enabled: boolean, more: Partial<StoreMetadataRequest> = {}): FactoryProfile {
  const { upp, metadata } = recipe(iccid);
  return { upp, metadata: encode(StoreMetadataRequest, { ...metadata, ...more }), enabled };
}

export interface VehicleOptions {
  readonly profiles?: readonly FactoryProfile[];
  readonly euicc?: Partial<EuiccOptions>;
  readonly eim?: Partial<EimOptions>;
  readonly configuration?: ConfigurationOptions;
  /** A second eIM, "eim2". */
  readonly secondEim?: boolean;
  readonly ipa?: Partial<IpaOptions>;
  /** Which ways to eIMs this vehicle has; coaps alone by default. */
  readonly schemes?: readonly ("coaps" | "https")[];
  /** It reaches RSP servers by itself: SM-DP+ and SM-DS in process. */
  readonly direct?: boolean;
  readonly confirmationCode?: string;
  /** An eIM is obeyed on a consumer eUICC. */
  readonly consumer?: ConsumerPorts;
}

/** What the life of an IPA ends with in tests: nothing is heard of it again. */
export const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

export class Vehicle {
  readonly clock = clock;
  readonly eim: Eim;
  readonly eim2: Eim | undefined;
  readonly smdp: Smdp;
  readonly smds: Smds;
  /** ES9+ and ES11: "dp.example.com initiateAuthentication". */
  readonly es9: string[] = [];
  /** What the way to an RSP server does instead. */
  interceptEs9: ((address: string, functionName: string, body: unknown) => Promise<unknown> | undefined) | undefined;
  euicc: VirtualEuicc;
  /** ICCIDs that find a network. */
  readonly coverage = new Set([a, b, c]);
  readonly events: IpaEvent[] = [];
  readonly apdus: string[] = [];
  /** What the line makes of a response of the card. */
  line: ((response: Uint8Array) => Uint8Array) | undefined;
  /** ESipa messages, by function name, in order; `answers` says what to do instead of asking the eIM. */
  readonly esipa: string[] = [];
  /** The same with how they went: "coaps asn1". */
  readonly esipaBindings: string[] = [];
  /** Schemes over which nothing connects. */
  readonly blocked = new Set<"coaps" | "https">();
  intercept:
    | ((functionName: string, body: Uint8Array) => Promise<{ readonly status: number; readonly body: Uint8Array }> | undefined)
    | undefined;
  verdict: (gate: string, facts: GateFacts[keyof GateFacts]) => Verdict = () => ({ kind: "allow" });
  imei: string | undefined = "352906111234567";
  rPlmn: string | undefined = "26201";
  journal: unknown;
  saves = 0;
  /** Life ends at that write of the journal, before or after it reached the disk. */
  crash: { readonly at: number; readonly when: "before" | "after" } | undefined;
  crashed = false;
  /** Instead of writing. */
  saveError: Error | undefined;
  readonly adopted: (string | undefined)[] = [];
  /** So many more times the module does not come back from a change, not even with its deadline. */
  adoptNever = 0;
  readonly #euiccOptions: EuiccOptions;
  readonly #ipaOptions: Partial<IpaOptions>;
  readonly #consumer: ConsumerPorts | undefined;
  readonly #rsp: { readonly confirmationCode: string | undefined } | undefined;
  readonly #schemes: readonly ("coaps" | "https")[];
  #onCrash: (() => void) | undefined;
  ipa: Ipa;

  constructor(options: VehicleOptions = {}) {
    this.smdp = createSmdp({ clock, pkis: [pki], address: smdpAddress });
    this.smds = createSmds({ clock, pki, address: smdsAddress });
    const post: EimOptions["post"] = (_address, functionName, body) => this.smdp.handle(functionName, body);
    const euiccs = [{ eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate }];
    this.eim = createEim({ clock, pki, post, euiccs, ...options.eim });
    this.eim2 = options.secondEim === true ? createEim({ clock, pki, post, euiccs, eimId: "eim2" }) : undefined;
    const configured = [this.eim, this.eim2].flatMap((eim) =>
      eim === undefined ? [] : [eim.configurationData({ fqdn: `${eim.eimId}.example`, ...options.configuration })],
    );
    const identity = {
      ciCertificate: pki.get("ci").certificate,
      eumCertificate: pki.get("eum").certificate,
      euiccCertificate: pki.get("euicc").certificate,
      privateKey: pki.get("euicc").privateKey,
    };
    this.#euiccOptions = {
      eid,
      identities: [identity],
      clock,
      random: seededRandom(32),
      profiles: options.profiles ?? [factoryProfile(a, true)],
      eims: configured,
      defaultSmdpAddress: smdpAddress,
      rootSmdsAddress: smdsAddress,
      ...options.euicc,
    };
    this.euicc = createEuicc(this.#euiccOptions);
    this.#rsp = options.direct === true ? { confirmationCode: options.confirmationCode } : undefined;
    this.#schemes = options.schemes ?? ["coaps"];
    this.#consumer = options.consumer;
    this.#ipaOptions = { terminalCapability: "none", ...options.ipa };
    this.ipa = this.#newIpa();
  }

  /** A new life with the same journal. With a power cut the card loses its channels and session as well. */
  restart(how: "process" | "power" = "process"): void {
    this.crash = undefined;
    this.crashed = false;
    if (how === "power") {
      const { eid: _eid, ...rest } = this.#euiccOptions;
      const faults = this.euicc.faults;
      this.euicc = createEuicc({ eid, ...rest, snapshot: this.euicc.snapshot(), faults });
    }
    this.ipa = this.#newIpa();
  }

  /** Resolves when the job ends, or when life does. */
  async run<T>(job: Promise<T>): Promise<T | "crashed"> {
    const died = new Promise<"crashed">((resolve) => {
      this.#onCrash = () => resolve("crashed");
    });
    return clock.runUntil(Promise.race([job, died]), 24 * 3_600_000);
  }

  async poll(eimId?: string): Promise<PollOutcome> {
    const outcome = await this.run(this.ipa.pollOnce(eimId));
    if (outcome === "crashed") throw new Error("life ended during a poll that was to end well");
    return outcome;
  }

  async deliver(): Promise<unknown> {
    return this.run(this.ipa.deliverNotifications());
  }

  enabled(): string | undefined {
    return this.euicc.profiles().find(({ state }) => state === "enabled")?.iccid;
  }

  installed(): string[] {
    return this.euicc.profiles().map(({ iccid }) => iccid);
  }

  /** Puts a profile at the SM-DP+ and answers its activation code. */
  offer(
    iccid: string,
    more: Parameters<Smdp["addOrder"]>[0] | Record<string, never> = {},
    metadata: Partial<StoreMetadataRequest> = {},
  ): string {
    const made = recipe(iccid);
    const matchingId = `TOKEN-${iccid.slice(-3)}`;
    this.smdp.addOrder({ matchingId, profile: made.upp, metadata: { ...made.metadata, ...metadata }, ...more });
    return this.smdp.activationCode(matchingId);
  }

  order(order: Record<string, unknown>, eim: Eim = this.eim): string {
    return eim.addOrder({ eid, ...order });
  }

  download(iccid: string): string {
    return this.order({ kind: "download", activationCode: this.offer(iccid) });
  }

  enable(iccid: string, rollback = false, eim: Eim = this.eim): string {
    return this.order({ kind: "euiccPackage", psmos: [{ enable: { iccid, rollback } }] }, eim);
  }

  /** Kinds of events that an audit trail would hold, steps and segments left out. */
  told(): string[] {
    return this.events.map(({ kind }) => kind).filter((kind) => kind !== "step" && kind !== "segment");
  }

  steps(): string[] {
    return this.events.flatMap((event) => (event.kind === "step" ? [event.name] : []));
  }

  #newIpa(): Ipa {
    const life = { over: false };
    return createIpa({
      card: this.#card(),
      transports: this.#schemes.map((scheme) => this.#transport(life, scheme)),
      consumer: this.#consumer,
      ...(this.#rsp === undefined ? {} : { rsp: this.#rspPorts(life, this.#rsp) }),
      clock,
      random: seededRandom(7),
      events: { emit: (event) => void this.events.push(event) },
      gate: { check: (gate, facts) => this.verdict(gate, facts) },
      journal: {
        load: async () => structuredClone(this.journal),
        save: async (content) => {
          if (life.over) return never();
          if (this.saveError !== undefined) throw this.saveError;
          this.saves++;
          const { crash } = this;
          if (crash?.at === this.saves && crash.when === "before") return this.#die(life);
          this.journal = structuredClone(content);
          if (crash?.at === this.saves && crash.when === "after") return this.#die(life);
        },
      },
      connectivity: {
        adopt: async ({ iccid, deadlineMs, signal }) => {
          this.adopted.push(iccid);
          // The module takes the card's REFRESH, or the driver's ladder does it in its place.
          this.euicc.reset();
          if (this.adoptNever > 0) {
            this.adoptNever--;
            return never();
          }
          await clock.sleep(8_000, signal);
          if (this.euicc.iccid === iccid && iccid !== undefined && this.coverage.has(iccid)) return "online";
          await clock.sleep(deadlineMs - 8_000, signal);
          return "offline";
        },
      },
      device: () => ({ imei: this.imei, rPlmn: this.rPlmn }),
      options: this.#ipaOptions,
    });
  }

  #rspPorts(life: { over: boolean }, { confirmationCode }: { readonly confirmationCode: string | undefined }): RspPorts {
    return {
      ciCertificates: [pki.get("ci").certificate],
      confirmationCode: async () => confirmationCode,
      transport: {
        post: async ({ host }, functionName, body, signal) => {
          if (life.over) return never();
          await clock.sleep(200, signal);
          const { iccid } = this.euicc;
          if (iccid === undefined || !this.coverage.has(iccid)) throw new SimwardError("HTTP_CONNECT", { detail: "no data path" });
          this.es9.push(`${host} ${functionName}`);
          const instead = this.interceptEs9?.(host, functionName, body);
          if (instead !== undefined) return instead;
          if (host !== smdpAddress && host !== smdsAddress) throw new SimwardError("HTTP_CONNECT", { detail: host });
          const server = host === smdsAddress ? this.smds : this.smdp;
          return server.handle(functionName, JSON.parse(JSON.stringify(body)));
        },
      },
    };
  }

  #die(life: { over: boolean }): Promise<never> {
    life.over = true;
    this.crashed = true;
    this.#onCrash?.();
    return never();
  }

  #card(): ApduAccess {
    return {
      maxCommandDataBytes: 255,
      open: async (aid) => {
        const opened = this.euicc.process(Uint8Array.of(0x00, 0x70, 0x00, 0x00, 0x01));
        const [channel] = opened;
        if (opened.length !== 3 || channel === undefined) throw new SimwardError("APDU_CHANNEL", { detail: "MANAGE CHANNEL" });
        const onChannel = this.#channel(channel);
        const selected = await onChannel.transmit(Uint8Array.of(0x00, 0xa4, 0x04, 0x04, aid.length, ...aid));
        const sw1 = selected.at(-2);
        if (sw1 !== 0x90 && sw1 !== 0x91 && sw1 !== 0x61) {
          await onChannel.close();
          throw new SimwardError("CARD_NOT_EUICC");
        }
        return onChannel;
      },
    };
  }

  #channel(channel: number): ApduChannel {
    const withChannel = (cla: number): number => (channel < 4 ? cla | channel : (cla & 0xb0) | 0x40 | (channel - 4));
    return {
      transmit: async (apdu) => {
        this.apdus.push(Buffer.from(apdu).toString("hex").toUpperCase());
        const response = this.euicc.process(Uint8Array.of(withChannel(apdu[0] ?? 0), ...apdu.subarray(1)));
        return this.line?.(response) ?? response;
      },
      close: async () => {
        this.euicc.process(Uint8Array.of(0x00, 0x70, 0x80, channel, 0x00));
      },
    };
  }

  #transport(life: { over: boolean }, scheme: "coaps" | "https"): EsipaTransport {
    return {
      scheme,
      exchange: async ({ eimId }, { functionName, body, encoding = "asn1" }, signal) => {
        if (life.over) return never();
        await clock.sleep(200, signal);
        const { iccid } = this.euicc;
        if (iccid === undefined || !this.coverage.has(iccid)) throw new SimwardError("COAP_TIMEOUT", { detail: "no data path" });
        if (this.blocked.has(scheme)) throw new SimwardError(scheme === "coaps" ? "DTLS_TIMEOUT" : "HTTP_CONNECT", { detail: "blocked" });
        this.esipaBindings.push(`${scheme} ${encoding}`);
        this.esipa.push(functionName);
        const instead = this.intercept?.(functionName, body);
        if (instead !== undefined) return instead;
        const eim = eimId === "eim2" ? this.eim2 : this.eim;
        const target = eim ?? this.eim;
        if (encoding === "json") {
          const answer = await answerJson(functionName, body, target.handle, target.faults);
          if (answer === "silence") return never();
          return { status: answer.status, body: answer.json === undefined ? new Uint8Array(0) : utf8(JSON.stringify(answer.json)) };
        }
        if (target.faults.notServed.includes(scheme)) return { status: 404, body: new Uint8Array(0) };
        const answer = await target.handle(body);
        return answer === "silence" ? never() : answer;
      },
    };
  }
}
