// An RSP session of the eUICC, from its challenge to the profile installed. A reset or another challenge ends it.
// Nothing of it is remembered without power.
import type { KeyObject } from "node:crypto";
import type { EphemeralKey } from "../crypto/ecka.ts";
import type { CardIdentity } from "./core.ts";
import type { BppInProgress } from "./functions/install.ts";

export interface RspSession {
  /** Consumed by AuthenticateServer. */
  challenge: Uint8Array | undefined;
  authenticated?: AuthenticatedServer;
  prepared?: PreparedDownload;
  load?: BppInProgress;
  /** ISD-P AID of the profile that the session installed, for ImmediateEnable. */
  installed?: Uint8Array;
}

export interface AuthenticatedServer {
  readonly transactionId: Uint8Array;
  readonly identity: CardIdentity;
  readonly serverAddress: string;
  /** registeredID in its certificate. */
  readonly oid: string;
  readonly role: "dpauth" | "dsauth";
  readonly euiccSignature1: Uint8Array;
}

export interface PreparedDownload {
  readonly oneTimeKey: EphemeralKey;
  /** Of the SM-DP+ for profile binding. */
  readonly bindingKey: KeyObject;
}
