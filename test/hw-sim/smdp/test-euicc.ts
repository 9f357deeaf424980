// An eUICC for tests of the servers, written TLV by TLV from the tables of SGP.22 and SGP.32 and not from our message types, so that it
// does not share their mistakes. It verifies what servers send as an eUICC must; it has no APDUs, no files, no persistence.
import { createHash, type KeyObject, randomBytes } from "node:crypto";
import { concatBytes, digitsToBcd, equalBytes, fromUtf8, uintToBytes, utf8 } from "../../../base/bytes.ts";
import { Bsp } from "../../../hw-sim/crypto/bsp.ts";
import { type Curve, ecdsaSign, ecdsaVerify } from "../../../hw-sim/crypto/ecdsa.ts";
import { createEphemeral, deriveBspKeys, type EphemeralKey } from "../../../hw-sim/crypto/ecka.ts";
import { parseCertificate } from "../../../hw-sim/pki/certificate.ts";
import { verifyUnderCi } from "../../../hw-sim/pki/chain.ts";
import type { Identity, Pki } from "../../../hw-sim/pki/pki.ts";
import { childOf, childrenOf, contentOf, rawOf, readOnlyTlv, readTlv, type Tlv, writeTlv } from "../../../ipa/asn1/tlv.ts";

const tlv = writeTlv;
const int = (tag: number, value: number): Uint8Array => {
  let size = 1;
  while (value >= 2 ** (8 * size - 1)) size++;
  return tlv(tag, value < 0 ? Uint8Array.of(0xff) : uintToBytes(value, size));
};
const signature = (key: KeyObject, ...parts: readonly Uint8Array[]): Uint8Array => tlv(0x5f37, ecdsaSign(key, ...parts));
const bytesOf = (parent: Tlv, tag: number): Uint8Array => {
  const child = childOf(parent, tag);
  if (child === undefined) throw new Error(`no ${tag.toString(16)}`);
  return contentOf(child);
};

export interface TestEuiccOptions {
  readonly pki: Pki;
  readonly identity?: Identity;
  readonly eid?: string;
  readonly svn?: readonly number[];
  readonly freeBytes?: number;
  /** Key identifiers offered, when not the CI's. */
  readonly verification?: readonly Uint8Array[];
  readonly signing?: readonly Uint8Array[];
  /** BIT STRING content of forbiddenProfilePolicyRules. */
  readonly forbiddenRules?: Uint8Array;
}

/** What a BPP held once opened. */
export interface OpenedBpp {
  readonly metadata: Uint8Array;
  readonly upp: Uint8Array;
  readonly segments: readonly Uint8Array[];
  readonly usedPpk: boolean;
}

export class TestEuicc {
  readonly eid: string;
  readonly pki: Pki;
  readonly identity: Identity;
  readonly #options: TestEuiccOptions;
  challenge = new Uint8Array(randomBytes(16));
  transactionId = new Uint8Array(0);
  signature1 = new Uint8Array(0);
  dppb: Uint8Array | undefined;
  smdpOid = "";
  oneTimeKey: EphemeralKey | undefined;
  nextSeq = 1;

  constructor(options: TestEuiccOptions) {
    this.#options = options;
    this.pki = options.pki;
    this.eid = options.eid ?? options.pki.subjects.eid;
    this.identity = options.identity ?? options.pki.get("euicc");
  }

  get eidBytes(): Uint8Array {
    return digitsToBcd(this.eid);
  }

  get #ciLists(): readonly [Uint8Array, Uint8Array] {
    const own = [this.pki.get("ci").subjectKeyIdentifier];
    const list = (tag: number, ids: readonly Uint8Array[]): Uint8Array => tlv(tag, ...ids.map((id) => tlv(0x04, id)));
    return [list(0xa9, this.#options.verification ?? own), list(0xaa, this.#options.signing ?? own)];
  }

  info1(): Uint8Array {
    return tlv(0xbf20, tlv(0x82, Uint8Array.from(this.#options.svn ?? [2, 5, 1])), ...this.#ciLists);
  }

  info2(): Uint8Array {
    const free = concatBytes(
      tlv(0x81, Uint8Array.of(0)),
      tlv(0x82, uintToBytes(this.#options.freeBytes ?? 500_000, 4)),
      tlv(0x83, Uint8Array.of(0x40, 0)),
    );
    return tlv(
      0xbf22,
      tlv(0x81, Uint8Array.of(2, 3, 1)),
      tlv(0x82, Uint8Array.of(2, 5, 1)),
      tlv(0x83, Uint8Array.of(1, 0, 0)),
      tlv(0x84, free),
      tlv(0x85, Uint8Array.of(0x05, 0x60)),
      tlv(0x88, Uint8Array.of(0x04, 0x80)),
      ...this.#ciLists,
      ...(this.#options.forbiddenRules === undefined ? [] : [tlv(0x99, this.#options.forbiddenRules)]),
      tlv(0x04, Uint8Array.of(1, 0, 0)),
      tlv(0x0c, utf8("TEST-SAS")),
      tlv(0x90, Uint8Array.of(0)),
      tlv(0xb4, tlv(0xa0, tlv(0x04, Uint8Array.of(1, 2, 0)))),
    );
  }

  /** BF38 out of what the server answered; throws where an eUICC would refuse. */
  authenticateServer(
    server: { readonly serverSigned1: Uint8Array; readonly serverSignature1: Uint8Array; readonly serverCertificate: Uint8Array },
    matchingId: string | undefined,
    role: "dpauth" | "dsauth" = "dpauth",
  ): Uint8Array {
    const { certificate } = verifyUnderCi(server.serverCertificate, role, { anchors: [this.pki.get("ci").certificate] });
    const signed = readOnlyTlv(server.serverSigned1);
    if (!ecdsaVerify(certificate.publicKey, contentOf(readOnlyTlv(server.serverSignature1)), server.serverSigned1))
      throw new Error("serverSignature1");
    if (!equalBytes(bytesOf(signed, 0x81), this.challenge)) throw new Error("euiccChallenge");
    this.transactionId = bytesOf(signed, 0x80).slice();
    this.smdpOid = certificate.registeredIds[0] ?? "";
    const deviceInfo = tlv(0xa1, tlv(0x80, Uint8Array.of(0x35, 0x29, 0x06, 0x11)), tlv(0xa1));
    const ctx = tlv(0xa0, ...(matchingId === undefined ? [] : [tlv(0x80, utf8(matchingId))]), deviceInfo);
    const address = tlv(0x83, bytesOf(signed, 0x83));
    const signed1 = tlv(0x30, tlv(0x80, this.transactionId), address, tlv(0x84, bytesOf(signed, 0x84)), this.info2(), ctx);
    this.signature1 = new Uint8Array(ecdsaSign(this.identity.privateKey, signed1));
    return tlv(0xbf38, tlv(0xa0, signed1, tlv(0x5f37, this.signature1), this.identity.certificate, this.pki.get("eum").certificate));
  }

  /** BF21; the confirmation code goes in when given. */
  prepareDownload(
    server: { readonly smdpSigned2: Uint8Array; readonly smdpSignature2: Uint8Array; readonly smdpCertificate: Uint8Array },
    confirmationCode?: string,
  ): Uint8Array {
    const { certificate } = verifyUnderCi(server.smdpCertificate, "dppb", { anchors: [this.pki.get("ci").certificate] });
    const signature2 = contentOf(readOnlyTlv(server.smdpSignature2));
    if (!ecdsaVerify(certificate.publicKey, signature2, server.smdpSigned2, tlv(0x5f37, this.signature1)))
      throw new Error("smdpSignature2");
    this.dppb = server.smdpCertificate;
    const wanted = childOf(readOnlyTlv(server.smdpSigned2), 0x5f49);
    const reuse = wanted !== undefined && this.oneTimeKey !== undefined && equalBytes(contentOf(wanted), this.oneTimeKey.publicPoint);
    this.oneTimeKey = reuse && this.oneTimeKey !== undefined ? this.oneTimeKey : createEphemeral(certificate.curve as Curve);
    const inner = confirmationCode === undefined ? undefined : createHash("sha256").update(confirmationCode).digest();
    const hashCc = inner === undefined ? [] : [tlv(0x04, createHash("sha256").update(inner).update(this.transactionId).digest())];
    const signed2 = tlv(0x30, tlv(0x80, this.transactionId), tlv(0x5f49, this.oneTimeKey.publicPoint), ...hashCc);
    return tlv(0xbf21, tlv(0xa0, signed2, signature(this.identity.privateKey, signed2, tlv(0x5f37, signature2))));
  }

  /** Opens BF36 as SGP.22 §5.5 says; throws at the first thing that does not hold. */
  openBpp(bpp: Uint8Array): OpenedBpp {
    const [bf23, a0, a1, ...rest] = childrenOf(readOnlyTlv(bpp));
    if (readTlv(bpp).tag !== 0xbf36 || bf23?.tag !== 0xbf23 || a0?.tag !== 0xa0 || a1?.tag !== 0xa1) throw new Error("BPP structure");
    const a2 = rest.find((one) => one.tag === 0xa2);
    const a3 = rest.find((one) => one.tag === 0xa3);
    if (a3 === undefined || this.oneTimeKey === undefined || this.dppb === undefined) throw new Error("BPP structure");
    const header = childrenOf(bf23);
    if (header.map((one) => one.tag.toString(16)).join() !== "82,80,a6,5f49,5f37") throw new Error("BF23 structure");
    const [remoteOp, txId, crt, otpk, sign] = header as [Tlv, Tlv, Tlv, Tlv, Tlv];
    if (contentOf(remoteOp)[0] !== 1) throw new Error("remoteOpId");
    if (!equalBytes(contentOf(txId), this.transactionId)) throw new Error("transactionId");
    if (bytesOf(crt, 0x80)[0] !== 0x88 || bytesOf(crt, 0x81)[0] !== 0x10) throw new Error("CRT");
    const signedPart = bpp.subarray(remoteOp.start, otpk.end);
    const key = parseCertificate(this.dppb).publicKey;
    if (!ecdsaVerify(key, contentOf(sign), signedPart, tlv(0x5f49, this.oneTimeKey.publicPoint))) throw new Error("smdpSign");
    const z = this.oneTimeKey.agree(contentOf(otpk));
    const session = new Bsp(deriveBspKeys(z, bytesOf(crt, 0x84), this.eidBytes));
    const segments = [a0, a1, a2, a3].flatMap((part) => (part === undefined ? [] : childrenOf(part).map(rawOf)));
    const open = (part: Tlv, tag: number, bsp: Bsp): Uint8Array =>
      concatBytes(
        ...childrenOf(part).map((one) => {
          const opened = bsp.unprotect(rawOf(one));
          if (opened.tag !== tag) throw new Error(`a ${opened.tag.toString(16)} in ${part.tag.toString(16)}`);
          return opened.plaintext;
        }),
      );
    if (readOnlyTlv(open(a0, 0x87, session)).tag !== 0xbf24) throw new Error("BF24");
    const metadata = open(a1, 0x88, session);
    if (readOnlyTlv(metadata).tag !== 0xbf25) throw new Error("BF25");
    let last = session;
    if (a2 !== undefined) {
      const keys = readOnlyTlv(open(a2, 0x87, session));
      last = new Bsp({ macChainingValue: bytesOf(keys, 0x80), encryptionKey: bytesOf(keys, 0x81), macKey: bytesOf(keys, 0x82) });
    }
    return { metadata, upp: open(a3, 0x86, last), segments, usedPpk: a2 !== undefined };
  }

  /** BF37. */
  installationResult(address: string, iccid: Uint8Array, error?: { readonly command: number; readonly reason: number }): Uint8Array {
    const metadata = this.#metadata(0, address, iccid);
    const final =
      error === undefined
        ? tlv(0xa0, tlv(0x4f, Buffer.from("A0000005591010FFFFFFFF8900001000", "hex")), tlv(0x04, Buffer.from("3007A0053003800100", "hex")))
        : tlv(0xa1, int(0x80, error.command), int(0x81, error.reason));
    const data = tlv(0xbf27, tlv(0x80, this.transactionId), metadata, tlv(0x06, Buffer.from([0x88, 0x37, 0x0a])), tlv(0xa2, final));
    return tlv(0xbf37, data, signature(this.identity.privateKey, data));
  }

  /** event: 0 install, 1 enable, 2 disable, 3 delete. */
  notification(event: number, address: string, iccid: Uint8Array): Uint8Array {
    const metadata = this.#metadata(event, address, iccid);
    return tlv(0x30, metadata, signature(this.identity.privateKey, metadata), this.identity.certificate, this.pki.get("eum").certificate);
  }

  #metadata(event: number, address: string, iccid: Uint8Array): Uint8Array {
    const bits = Uint8Array.of(7 - event, 0x80 >> event);
    return tlv(0xbf2f, int(0x80, this.nextSeq++), tlv(0x81, bits), tlv(0x0c, utf8(address)), tlv(0x5a, iccid));
  }

  /** BF41. */
  cancelSession(reason: number, oid = Uint8Array.of(0x88, 0x37, 0x0a)): Uint8Array {
    const signed = tlv(0x30, tlv(0x80, this.transactionId), tlv(0x81, oid), int(0x82, reason));
    return tlv(0xbf41, tlv(0xa0, signed, signature(this.identity.privateKey, signed)));
  }

  // --- eUICC packages -------------------------------------------------------------------------------------------------------

  /** Fields of a BF51 request, its signature checked with the eIM's key over data and token. */
  readPackage(
    bf51: Uint8Array,
    eimKey: KeyObject,
    token = 0,
  ): { eimId: string; eid: Uint8Array; counter: number; txId: Uint8Array | undefined; list: Tlv } {
    const request = readOnlyTlv(bf51);
    const [signed, sign] = childrenOf(request);
    if (request.tag !== 0xbf51 || signed?.tag !== 0x30 || sign?.tag !== 0x5f37) throw new Error("BF51 structure");
    if (!ecdsaVerify(eimKey, contentOf(sign), rawOf(signed), int(0x84, token))) throw new Error("eimSignature");
    const txId = childOf(signed, 0x82);
    const list = childOf(signed, 0xa0) ?? childOf(signed, 0xa1);
    if (list === undefined) throw new Error("no list");
    const counter = bytesOf(signed, 0x81).reduce((sum, octet) => sum * 256 + octet, 0);
    return {
      eimId: fromUtf8(bytesOf(signed, 0x80)),
      eid: bytesOf(signed, 0x5a),
      counter,
      txId: txId === undefined ? undefined : contentOf(txId),
      list,
    };
  }

  /** BF51 with the results given, each a TLV; takes the next sequence number unless one is given. */
  packageResult(
    fields: {
      readonly eimId: string;
      readonly counter: number;
      readonly txId?: Uint8Array | undefined;
      readonly token?: number;
      readonly seq?: number;
    },
    ...results: readonly Uint8Array[]
  ): Uint8Array {
    const seq = fields.seq ?? this.nextSeq++;
    const txId = fields.txId === undefined ? [] : [tlv(0x82, fields.txId)];
    const data = tlv(0x30, tlv(0x80, utf8(fields.eimId)), int(0x81, fields.counter), ...txId, int(0x83, seq), tlv(0x30, ...results));
    return tlv(0xbf51, tlv(0xa0, data, signature(this.identity.privateKey, data, int(0x84, fields.token ?? 0))));
  }

  packageError(
    fields: { readonly eimId: string; readonly counter: number; readonly txId?: Uint8Array | undefined; readonly token?: number },
    code: number,
  ): Uint8Array {
    const txId = fields.txId === undefined ? [] : [tlv(0x82, fields.txId)];
    const data = tlv(0x30, tlv(0x80, utf8(fields.eimId)), int(0x81, fields.counter), ...txId, int(0x02, code));
    return tlv(0xbf51, tlv(0xa1, data, signature(this.identity.privateKey, data, int(0x84, fields.token ?? 0))));
  }
}

export const testTlv = { tlv, int, bytesOf };
