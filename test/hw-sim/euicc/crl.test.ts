// LoadCRL: which lists the eUICC takes, and that what stands on one is believed no more. openssl reads the same list, where it is installed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { fromHex } from "../../../base/bytes.ts";
import { buildCrl, type CrlContent, isIssuedBy, readCrl } from "../../../hw-sim/pki/crl.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { LoadCRLRequest, LoadCRLResponse } from "../../../ipa/messages/es10.ts";
import { need, program, run } from "../../support/programs.ts";
import { authenticate, prepare } from "./small-smdp.ts";
import { type Bench, bench, clock, pki, restarted } from "./support.ts";

const dayMs = 86_400_000;
const ci = pki.get("ci");
const listOf = (more: Partial<CrlContent> = {}): Uint8Array =>
  buildCrl({
    ciCertificate: ci.certificate,
    ciKey: ci.privateKey,
    crlNumber: 5,
    thisUpdateMs: clock.now(),
    nextUpdateMs: clock.now() + dayMs,
    revoked: [],
    ...more,
  });
const load = ({ channel }: Bench, crl: Uint8Array) => channel.call(LoadCRLRequest, LoadCRLResponse, { crl });
const ok = { kind: "loadCRLResponseOk", value: { missingParts: undefined } };
const refused = (value: string) => ({ kind: "loadCRLResponseError", value });
const dpauth = pki.get("dpauth").certificate;
const dppb = pki.get("dppb").certificate;

describe("a revoked certificate", () => {
  it("of the SM-DP+ that authenticates is refused from then on, also after a restart; others are not", () => {
    const card = bench();
    expect(authenticate(card.channel).kind).toBe("authenticateResponseOk");
    expect(load(card, listOf({ revoked: [pki.get("dptls").certificate, dpauth] }))).toEqual(ok);
    const response = { kind: "authenticateResponseError", value: { authenticateErrorCode: "invalidCertificate" } };
    expect(authenticate(card.channel)).toMatchObject(response);
    const again = restarted(card.euicc.snapshot());
    expect(authenticate(again.channel)).toMatchObject(response);
    expect(authenticate(again.channel, { auth: pki.issue("dpauth") }).kind).toBe("authenticateResponseOk");
  });

  it("for profile binding is refused when the package is prepared", () => {
    const card = bench();
    load(card, listOf({ revoked: [dppb] }));
    const response = prepare(card.channel, authenticate(card.channel));
    expect(response).toMatchObject({ kind: "downloadResponseError", value: { downloadErrorCode: "invalidCertificate" } });
  });

  it("is believed again when a later list has it no more", () => {
    const card = bench();
    load(card, listOf({ revoked: [dpauth] }));
    expect(load(card, listOf({ crlNumber: 6 }))).toEqual(ok);
    expect(authenticate(card.channel).kind).toBe("authenticateResponseOk");
  });

  // shows: code.LoadCRL.verificationKeyNotFound
  it("that another CI has numbered alike is not meant", () => {
    const other = createPki({ clock });
    const card = bench();
    const foreign = listOf({ ciCertificate: other.get("ci").certificate, ciKey: other.get("ci").privateKey, revoked: [dpauth] });
    expect(load(card, foreign)).toEqual(refused("verificationKeyNotFound"));
    expect(authenticate(card.channel).kind).toBe("authenticateResponseOk");
  });
});

describe("a list", () => {
  it("in parts says what is missing until all have come, in any order, and counts from the first", () => {
    const card = bench();
    const part = (number: number, revoked: readonly Uint8Array[]) => listOf({ revoked, part: { number, of: 3 } });
    expect(load(card, part(3, [dpauth]))).toEqual({ kind: "loadCRLResponseOk", value: { missingParts: [1, 2] } });
    expect(authenticate(card.channel).kind).toBe("authenticateResponseError");
    expect(load(card, part(1, []))).toEqual({ kind: "loadCRLResponseOk", value: { missingParts: [2] } });
    expect(load(card, part(2, [dppb]))).toEqual(ok);
    expect(authenticate(card.channel).kind).toBe("authenticateResponseError");
  });

  // shows: code.LoadCRL.fresherCrlAlreadyLoaded
  it("older than what is there is refused, the same again is taken", () => {
    const card = bench();
    expect(load(card, listOf({ revoked: [dpauth] }))).toEqual(ok);
    expect(load(card, listOf({ crlNumber: 4 }))).toEqual(refused("fresherCrlAlreadyLoaded"));
    expect(load(card, listOf({ revoked: [dpauth] }))).toEqual(ok);
    expect(authenticate(card.channel).kind).toBe("authenticateResponseError");
  });

  // shows: code.LoadCRL.invalidSignature
  it("that its CI has not signed is refused, whichever octet was changed", () => {
    const card = bench();
    const forged = listOf({ ciKey: createPki({ clock }).get("ci").privateKey, revoked: [dpauth] });
    expect(load(card, forged)).toEqual(refused("invalidSignature"));
    const list = listOf({ revoked: [dpauth] });
    const { tbs } = readCrl(list);
    const start = Buffer.from(list).indexOf(tbs);
    expect(start).toBeGreaterThan(0);
    for (let at = start; at < start + tbs.length; at += 7) {
      const { data, sw } = card.channel.send(commandOf(list.map((octet, i) => (i === at ? octet ^ 0x01 : octet))));
      expect([at, sw === 0x6a80 || data[3] === 0x81]).toEqual([at, true]);
    }
    expect(authenticate(card.channel).kind).toBe("authenticateResponseOk");
  });

  // shows: code.LoadCRL.invalidCRLFormat
  it("with an unknown critical extension, or without a number, is none to rely upon", () => {
    const odd = listOf({ extensions: [{ oid: "2.5.29.27", critical: true, value: fromHex("020101") }] });
    expect(load(bench(), odd)).toEqual(refused("invalidCRLFormat"));
    expect(load(bench(), pki.get("dptls").certificate)).toEqual(refused("invalidCRLFormat"));
  });

  // shows: code.LoadCRL.notEnoughMemorySpace
  it("finds no room in a full memory", () => {
    const card = bench();
    card.euicc.faults.memoryFull = true;
    expect(load(card, listOf())).toEqual(refused("notEnoughMemorySpace"));
  });

  test("is what openssl takes for one, under the same CI", async (context) => {
    const openssl = need(context, program("openssl"));
    const dir = mkdtempSync(join(tmpdir(), "simward-crl-"));
    try {
      const list = listOf({ revoked: [dpauth, dppb], part: { number: 1, of: 2 } });
      expect(isIssuedBy(readCrl(list), ci.certificate)).toBe(true);
      writeFileSync(join(dir, "list.der"), list);
      writeFileSync(join(dir, "ci.pem"), ci.certificatePem);
      const args = ["crl", "-inform", "DER", "-in", join(dir, "list.der"), "-CAfile", join(dir, "ci.pem"), "-noout", "-text"];
      const shown = run(openssl, args);
      await shown.ended;
      const text = shown.output();
      expect(text).toContain("verify OK");
      expect(text.match(/Serial Number:/g)).toHaveLength(2);
      for (const serial of readCrl(list).revoked) expect(text).toContain(serial.toUpperCase());
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

/** BF35 around A0 with the list's own contents. */
function commandOf(list: Uint8Array): Uint8Array {
  const wide = (tag: number[], content: Uint8Array): Uint8Array =>
    Uint8Array.of(...tag, 0x82, content.length >> 8, content.length & 0xff, ...content);
  const header = list[1] === 0x82 ? 4 : 3;
  return wide([0xbf, 0x35], wide([0xa0], list.subarray(header)));
}
