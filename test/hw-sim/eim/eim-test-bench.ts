// What the tests of the eIM share: an eIM without transports, an SM-DP+ beside it, an eUICC, and ESipa messages written TLV by TLV.
import { createPublicKey } from "node:crypto";
import { fromHex, iccidToBytes, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { createEim, type Eim, type EimOptions } from "../../../hw-sim/eim/eim.ts";
import { createPki, newKey, type Pki } from "../../../hw-sim/pki/pki.ts";
import { createSmdp, type Smdp } from "../../../hw-sim/smdp/smdp.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { TestEuicc, testTlv } from "../smdp/test-euicc.ts";

export const { tlv, int } = testTlv;
export const clock = new VirtualClock();
export const pki: Pki = createPki({ clock });
export const { eid } = pki.subjects;
export const iccidA = "8949000000000000012";
export const iccidABytes = iccidToBytes(iccidA);
/** 83, the enable result of SGP.32 §2.11.2.1. */
export const enableOk = tlv(0x83, Uint8Array.of(0));

export interface Bench {
  readonly eim: Eim;
  readonly smdp: Smdp;
  readonly euicc: TestEuicc;
  /** Hex of the answer's body, or "silence", or its status when it is not 200. */
  ask(message: Uint8Array): Promise<string>;
  /** The BF51, BF52, BF54 or raw octets of the next GetEimPackage. */
  poll(): Promise<Uint8Array>;
  /** BF50 with the EID. */
  provide(...parts: readonly Uint8Array[]): Promise<string>;
  /** Runs the BF51 just polled and answers fields for its result. */
  accept(bf51: Uint8Array, token?: number): { eimId: string; counter: number; txId: Uint8Array | undefined; token: number };
  readonly state: (orderId: string) => unknown;
  readonly reason: (orderId: string) => unknown;
  readonly events: { readonly type: string; readonly [name: string]: unknown }[];
}

export function bench(options: Partial<EimOptions> = {}): Bench {
  const smdp = createSmdp({ clock, pkis: [pki], address: "dp.example.com" });
  const eim = createEim({
    clock,
    pki,
    post: (_, functionName, body) => smdp.handle(functionName, body),
    euiccs: [{ eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate }],
    ...options,
  });
  const euicc = new TestEuicc({ pki });
  const events: Bench["events"] = [];
  eim.onEvent((event) => events.push(event));
  const ask = async (message: Uint8Array): Promise<string> => {
    const answer = await eim.handle(message);
    if (answer === "silence") return answer;
    return answer.status === 200 ? toHexUpper(answer.body) : String(answer.status);
  };
  const eimKey = createPublicKey(pki.get("eimsign").privateKey);
  return {
    eim,
    smdp,
    euicc,
    ask,
    events,
    poll: async () => contentOf(readOnlyTlv(fromHex(await ask(getEimPackage(euicc.eidBytes))))),
    provide: (...parts) => ask(tlv(0xbf50, tlv(0x5a, euicc.eidBytes), ...parts)),
    accept: (bf51, token = 0) => {
      const { eimId, counter, txId } = euicc.readPackage(bf51, eimKey, token);
      return { eimId, counter, txId, token };
    },
    state: (orderId) => eim.order(orderId)?.state,
    reason: (orderId) => eim.order(orderId)?.reason,
  };
}

export const getEimPackage = (eidBytes: Uint8Array): Uint8Array => tlv(0xbf4f, tlv(0x5a, eidBytes));
export const noPackage = "BF4F03020101";
export const empty = "BF50023000";

/** BF50 {BF53 {80 seq …}} as hex. */
export const acknowledged = (...seqs: readonly number[]): string =>
  toHexUpper(tlv(0xbf50, tlv(0xbf53, ...seqs.map((seq) => int(0x80, seq)))));

export const ePRAndNotifications = (result: Uint8Array, ...notifications: readonly Uint8Array[]): Uint8Array =>
  tlv(0x30, result, tlv(0xa0, ...notifications));

export const enableOrder = { eid, kind: "euiccPackage", psmos: [{ enable: { iccid: iccidA, rollback: true } }] } as const;

/** Tags of the operations in a polled package, and their content in hex. */
export function operationsOf(euicc: TestEuicc, bf51: Uint8Array): string[] {
  const list = euicc.readPackage(bf51, createPublicKey(pki.get("eimsign").privateKey)).list;
  return childrenOf(list).map((one) => toHexUpper(rawOf(one)));
}

export const text = utf8;

export const forger = (): TestEuicc => new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } });
export const unknownCertificate = { euiccs: [{ eid }] };
export const certificates = [
  tlv(0xa5, contentOf(readOnlyTlv(pki.get("eum").certificate))),
  tlv(0xa6, contentOf(readOnlyTlv(pki.get("euicc").certificate))),
];
export const euiccData = (...fields: readonly Uint8Array[]): Uint8Array => tlv(0xbf52, tlv(0xa0, ...fields));

/** A package given out, and what the eUICC needs to answer it. */
export async function executed(on: Bench = bench(), order: unknown = enableOrder) {
  const orderId = on.eim.addOrder(order);
  const bf51 = await on.poll();
  return { ...on, orderId, bf51, fields: on.accept(bf51) };
}
