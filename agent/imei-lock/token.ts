// The octets that a token of the IMEI lock signs. docs/policy.md says the same to those who make tokens.
import { fromHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { lengthPrefixed } from "../keys/signature.ts";

/** unlock: this device may, the pairing stays as it is. repair: this device is the one from now on. */
export type LockAct = "unlock" | "repair";

export interface LockOrder {
  readonly act: LockAct;
  /** Hex of 32 octets. */
  readonly challenge: string;
  /** Of the card found; empty where it has none. */
  readonly eid: string;
  /** Of the pairing; empty where there is none. */
  readonly oldImei: string;
  readonly newImei: string;
}

const label = "simward-unlock-v1";

/** Six fields, each behind its length in two octets: label, challenge (32 octets), EID, old IMEI, new IMEI (ASCII digits), act. */
export function signedOctets({ act, challenge, eid, oldImei, newImei }: LockOrder): Uint8Array {
  return lengthPrefixed([label, fromHex(challenge), eid, oldImei, newImei, act]);
}

/** A token is the signature in base64, with or without its URL alphabet. Throws TOKEN_REFUSED. */
export function signatureOf(token: string): Uint8Array {
  const compact = token.replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/_-]{80,200}={0,2}$/.test(compact)) throw new SimwardError("TOKEN_REFUSED", { detail: "it is no signature in base64" });
  return new Uint8Array(Buffer.from(compact, "base64"));
}
