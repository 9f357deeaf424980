// A consumer eUICC with the package executor before it, its memory on a disk that loses power, and an eIM that signs whatever a test wants.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { consumerMemory } from "../../../agent/state/consumer-memory.ts";
import { concatBytes, digitsToBcd, fromHex, iccidToBytes } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";
import { createEuicc } from "../../../hw-sim/euicc/euicc.ts";
import type { EuiccOptions, VirtualEuicc } from "../../../hw-sim/euicc/types.ts";
import { decode, encode, integer, sealed, signed } from "../../../ipa/asn1/schema.ts";
import { PackageExecutor } from "../../../ipa/consumer/executor.ts";
import { ConsumerMemory } from "../../../ipa/consumer/memory.ts";
import type { Es10, Es10Link } from "../../../ipa/euicc/es10.ts";
import { createEuiccSession } from "../../../ipa/euicc/session.ts";
import type { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import {
  type EuiccPackage,
  EuiccPackageRequest,
  EuiccPackageResult,
  EuiccPackageSigned,
  type Psmo,
} from "../../../ipa/messages/package.ts";
import { eidOf } from "../../../ipa/procedures/card.ts";
import { a, b, c, factoryProfile, pki } from "../support/vehicle.ts";
import { cardOf } from "../support/virtual-card.ts";

export { a, b, c };
export const { eid } = pki.subjects;
export const clock = new VirtualClock();

export interface Signer {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
}

export function signer(namedCurve: "P-256" | "brainpoolP256r1" | "P-384" = "P-256"): Signer {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  return { privateKey, spki: new Uint8Array(publicKey.export({ format: "der", type: "spki" })) };
}

export const eim = signer();
export const stranger = signer();

export function configuration(more: Partial<EimConfigurationData> = {}): EimConfigurationData {
  return { eimId: "eim1", counterValue: 0, eimPublicKeyData: { kind: "eimPublicKey", value: eim.spki }, ...more };
}

export interface PackageFields {
  readonly eimId?: string;
  readonly eid?: string;
  readonly counterValue?: number;
  readonly euiccPackage?: EuiccPackage;
  readonly token?: number;
  readonly by?: Signer;
}

export const list: EuiccPackage = { kind: "psmoList", value: [{ kind: "listProfileInfo", value: {} }] };

export function psmos(...value: readonly Psmo[]): EuiccPackage {
  return { kind: "psmoList", value };
}
export const enable = (iccid: string, rollback = false): Psmo => ({
  kind: "enable",
  value: { iccid: iccidToBytes(iccid), ...(rollback ? { rollbackFlag: true } : {}) },
});
export const disable = (iccid: string): Psmo => ({ kind: "disable", value: { iccid: iccidToBytes(iccid) } });
export const remove = (iccid: string): Psmo => ({ kind: "delete", value: { iccid: iccidToBytes(iccid) } });

/** BF51, signed. */
export function packageOf(fields: PackageFields = {}): Uint8Array {
  const { eimId = "eim1", counterValue = 1, euiccPackage = list, token = 0, by = eim } = fields;
  const euiccPackageSigned = sealed(signed(EuiccPackageSigned), {
    eimId,
    eidValue: digitsToBcd(fields.eid ?? eid),
    counterValue,
    eimTransactionId: fromHex("0102"),
    euiccPackage,
  });
  const signature = sign("sha256", concatBytes(euiccPackageSigned.raw, encode(integer(0x84), token)), {
    key: by.privateKey,
    dsaEncoding: "ieee-p1363",
  });
  return encode(EuiccPackageRequest, { euiccPackageSigned, eimSignature: new Uint8Array(signature) });
}

/** What the answer says in short: the error, or each result by kind and code. */
export function read(answer: Uint8Array): unknown {
  const result = decode(EuiccPackageResult, answer);
  switch (result.kind) {
    case "euiccPackageErrorUnsigned":
      return { unsigned: result.value.associationToken };
    case "euiccPackageErrorSigned":
      return { error: result.value.euiccPackageErrorDataSigned.value.euiccPackageErrorCode };
    case "euiccPackageResultSigned":
      return result.value.euiccPackageResultDataSigned.value.euiccResult.map(({ kind, value }) =>
        typeof value === "string" ? `${kind} ${value}` : kind,
      );
  }
}

export class Bench {
  readonly disk: FaultDisk;
  euicc: VirtualEuicc;
  executor: PackageExecutor | undefined;
  /** Instead of the exchange with the card. */
  line: ((command: Uint8Array, exchange: () => Promise<Uint8Array>) => Promise<Uint8Array>) | undefined;
  readonly commands: string[] = [];
  readonly #options: EuiccOptions;

  constructor(options: Partial<EuiccOptions> = {}) {
    this.disk = faultDisk(seededRandom(5));
    const of = pki.get("euicc");
    this.#options = {
      eid,
      role: "sgp22",
      identities: [
        {
          ciCertificate: pki.get("ci").certificate,
          eumCertificate: pki.get("eum").certificate,
          euiccCertificate: of.certificate,
          privateKey: of.privateKey,
        },
      ],
      clock,
      random: seededRandom(9),
      profiles: [factoryProfile(a, true), factoryProfile(b, false)],
      ...options,
    };
    this.euicc = createEuicc(this.#options);
  }

  /** The daemon after a restart; with `power` the card loses its session too. */
  async start(power = false): Promise<this> {
    if (this.disk.isOff) this.disk.powerOn();
    if (power) this.euicc = createEuicc({ ...this.#options, snapshot: this.euicc.snapshot(), faults: this.euicc.faults });
    const memory = await ConsumerMemory.open(consumerMemory(this.disk), eid);
    const parts = { memory, eid: eidOf(eid), clock, events: { emit: () => undefined }, refreshFlag: true };
    this.executor = await this.#session((link) => link).withEuicc("open", (es10) => PackageExecutor.open(parts, es10));
    return this;
  }

  /** One session with the card, as the IPA has it. */
  use<T>(job: (es10: Es10) => Promise<T>): Promise<T> {
    return this.#session((link) => this.executor?.wrap(link) ?? link).withEuicc("test", job);
  }

  async send(command: Uint8Array): Promise<Uint8Array> {
    let answer: Uint8Array | undefined;
    await this.#session((link) => {
      const wrapped = this.executor?.wrap(link) ?? link;
      return {
        refreshPending: false,
        exchange: async (what, again) => {
          answer = await wrapped.exchange(what, again);
          return answer;
        },
      };
    }).withEuicc("test", (es10) => es10.forward(anyFunction, command));
    if (answer === undefined) throw new Error("nothing was sent");
    return answer;
  }

  enabled(): string | undefined {
    return this.euicc.profiles().find(({ state }) => state === "enabled")?.iccid;
  }

  #session(decorate: (link: Es10Link) => Es10Link): ReturnType<typeof createEuiccSession> {
    return createEuiccSession({
      card: cardOf(this.euicc),
      clock,
      events: { emit: () => undefined },
      terminalCapability: "none",
      decorate: (link) =>
        decorate({
          get refreshPending() {
            return link.refreshPending;
          },
          exchange: (command, idempotent) => {
            this.commands.push(Buffer.from(command.subarray(0, 2)).toString("hex"));
            const exchange = (): Promise<Uint8Array> => link.exchange(command, idempotent);
            return this.line?.(command, exchange) ?? exchange();
          },
        }),
    });
  }
}

/** Only its octets matter. */
const anyFunction = {
  name: "any",
  request: EuiccPackageRequest,
  response: EuiccPackageResult,
  section: "",
  idempotent: false,
};
