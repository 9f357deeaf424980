// The octets that a token of the lifecycle signs. docs/policy.md says the same to those who make tokens.
import { fromHex } from "../../base/bytes.ts";
import { lengthPrefixed } from "../keys/signature.ts";
import type { Stage } from "../policy/types.ts";

export interface StageToken {
  /** Hex of 32 octets. */
  readonly challenge: string;
  /** 32 digits; empty where the card has none. */
  readonly eid: string;
  readonly imei: string;
  readonly to: Stage;
}

/** Five fields, each behind its length in two octets: label, challenge (32 octets), EID, IMEI (ASCII digits), stage. */
export function stageTokenOctets({ challenge, eid, imei, to }: StageToken): Uint8Array {
  return lengthPrefixed(["simward-lifecycle-v1", fromHex(challenge), eid, imei, to]);
}
