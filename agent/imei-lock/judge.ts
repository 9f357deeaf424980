// Whether this device is the one that its card was paired with: a comparison of identities. Pure.
import type { LockFacts } from "../policy/types.ts";

/** Digits. */
export interface Identity {
  readonly imei: string;
  /** Absent on a card that has none. */
  readonly eid: string | undefined;
  /** Of the profile in use; absent while none is enabled. */
  readonly iccid: string | undefined;
}

export interface Pairing {
  readonly imei: string;
  readonly eid: string | undefined;
  /** On an eUICC this list grows by what its eIM installs; on a plain SIM it is what was paired. */
  readonly iccids: readonly string[];
  readonly vin: string | undefined;
  /** UTC, RFC 3339. */
  readonly pairedAt: string;
  /** "operator:<uid>", or "token:<key id>". */
  readonly by: string;
  readonly reason: string;
}

/** Of a device that was allowed without being paired. */
export interface Unlocked {
  readonly imei: string;
  readonly eid: string | undefined;
}

export interface LockRecord {
  readonly pairing: Pairing | undefined;
  readonly unlocked: Unlocked | undefined;
}

export const noPairing: LockFacts = { state: "unpaired", differs: [] };

export function judge({ pairing, unlocked }: LockRecord, found: Identity): LockFacts {
  if (pairing === undefined) return noPairing;
  const differs: ("imei" | "eid" | "iccid")[] = [];
  if (found.imei !== pairing.imei) differs.push("imei");
  if (found.eid !== pairing.eid) differs.push("eid");
  // Which profiles an eUICC holds is for its eIM to say; of a card without an EID the ICCID is all that names it.
  if (found.eid === undefined && found.iccid !== undefined && !pairing.iccids.includes(found.iccid)) differs.push("iccid");
  if (differs.length === 0) return { state: "match", differs };
  const isAllowed = unlocked !== undefined && unlocked.imei === found.imei && unlocked.eid === found.eid && !differs.includes("iccid");
  return { state: isAllowed ? "unlocked" : "mismatch", differs };
}

/** The pairing with a profile that its eUICC has got meanwhile; the same one when there is nothing to add. */
export function withProfile(pairing: Pairing, found: Identity): Pairing {
  const isNew = found.iccid !== undefined && !pairing.iccids.includes(found.iccid);
  const isOurs = found.imei === pairing.imei && found.eid !== undefined && found.eid === pairing.eid;
  // A card holds few profiles at a time; of those it had, the latest.
  return isNew && isOurs ? { ...pairing, iccids: [...pairing.iccids, found.iccid].slice(-64) } : pairing;
}
