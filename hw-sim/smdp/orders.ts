// Download orders of the virtual SM-DP+ and what has become of each (the profile states of SGP.22 §3.1.6, from Released on).
import { SimwardError } from "../../base/errors.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import type { EphemeralKey } from "../crypto/ecka.ts";
import type { ProtectedProfile } from "./bind.ts";

export interface DownloadOrderInput {
  /** The activation code's token; empty for the default SM-DP+, which finds the order by EID. */
  readonly matchingId: string;
  /** 32 digits; without one the first eUICC that asks gets it. */
  readonly eid?: string;
  /** Unprotected Profile Package: the profile elements one after the other, DER. */
  readonly profile: Uint8Array;
  /** Enable, disable and delete notifications go to this SM-DP+ unless it says otherwise. */
  readonly metadata: StoreMetadataRequest;
  readonly ppr?: readonly ("ppr1" | "ppr2")[];
  readonly confirmationCode?: string;
  readonly maxConfirmationAttempts?: number;
  /** False: the operator has not released the profile. */
  readonly released?: boolean;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs?: number;
  /** Whether a profile once bound may be bound to another one-time key of the same eUICC; true by default. */
  readonly rebinding?: boolean;
}

export type DownloadOrderState = "confirmed" | "released" | "downloaded" | "installed" | "error";

/** The key pair and segments of the last binding, kept so that a retry with the same eUICC key needs no new one. */
export interface BoundProfile {
  readonly euiccOtpk: Uint8Array;
  readonly ephemeral: EphemeralKey;
  readonly protectedProfile: ProtectedProfile;
}

export interface DownloadOrder {
  readonly matchingId: string;
  eid: string | undefined;
  /** The eUICC that gets it without a MatchingID, from its default SM-DP+. */
  reservedFor: string | undefined;
  readonly profile: Uint8Array;
  readonly metadata: StoreMetadataRequest;
  /** BF25, as it is shown to the eUICC and put in the package. */
  readonly metadataDer: Uint8Array;
  readonly confirmationCode: string | undefined;
  confirmationAttemptsLeft: number;
  readonly expiresAtMs: number;
  readonly rebinding: boolean;
  state: DownloadOrderState;
  /** Why it is in state error, or the eUICC's last reason for not installing. */
  reason: string | undefined;
  bound: BoundProfile | undefined;
}

export class DownloadOrders {
  readonly #orders: DownloadOrder[] = [];
  readonly #address: () => string;

  constructor(address: () => string) {
    this.#address = address;
  }

  get all(): readonly DownloadOrder[] {
    return this.#orders;
  }

  /** Throws SIM_REQUEST when the MatchingID is taken or the metadata cannot be written. */
  add(input: DownloadOrderInput): DownloadOrder {
    const taken = this.#orders.some(({ matchingId, eid, state }) => {
      const same = input.matchingId === "" ? eid === input.eid : matchingId === input.matchingId;
      return matchingId === input.matchingId && same && state !== "installed" && state !== "error";
    });
    if (taken)
      throw new SimwardError("SIM_REQUEST", { detail: `there is an open order with the MatchingID ${JSON.stringify(input.matchingId)}` });
    if (input.matchingId === "" && input.eid === undefined)
      throw new SimwardError("SIM_REQUEST", { detail: "an order needs a MatchingID or an EID" });
    const metadata = this.#complete(input);
    const order: DownloadOrder = {
      matchingId: input.matchingId,
      eid: input.eid,
      reservedFor: input.matchingId === "" ? input.eid : undefined,
      profile: input.profile,
      metadata,
      metadataDer: encode(StoreMetadataRequest, metadata, "metadata"),
      confirmationCode: input.confirmationCode,
      confirmationAttemptsLeft: input.maxConfirmationAttempts ?? 3,
      expiresAtMs: input.expiresAtMs ?? Number.POSITIVE_INFINITY,
      rebinding: input.rebinding ?? true,
      state: (input.released ?? true) ? "released" : "confirmed",
      reason: undefined,
      bound: undefined,
    };
    this.#orders.push(order);
    return order;
  }

  /** By MatchingID, or by EID where there is none (SGP.22 §5.6.3). */
  find(matchingId: string, eid: string): DownloadOrder | undefined {
    const open = (order: DownloadOrder): boolean => order.state !== "installed" && order.state !== "error";
    return this.#orders.find((order) => open(order) && (matchingId === "" ? order.reservedFor === eid : order.matchingId === matchingId));
  }

  /** That eUICC gets it from its default SM-DP+ as well. Throws SIM_REQUEST when there is no such open order. */
  reserve(matchingId: string, eid: string): void {
    const order = this.find(matchingId, eid);
    if (order === undefined || matchingId === "")
      throw new SimwardError("SIM_REQUEST", { detail: `the SM-DP+ has no open order with the MatchingID ${JSON.stringify(matchingId)}` });
    order.reservedFor = eid;
  }

  /** The operator releases the profile. */
  release(matchingId: string): void {
    for (const order of this.#orders) if (order.matchingId === matchingId && order.state === "confirmed") order.state = "released";
  }

  #complete({ metadata, ppr }: DownloadOrderInput): StoreMetadataRequest {
    const notificationAddress = this.#address();
    const events = ["notificationEnable", "notificationDisable", "notificationDelete"] as const;
    const toUs = events.map((event) => ({ profileManagementOperation: [event], notificationAddress }));
    return {
      ...metadata,
      notificationConfigurationInfo: metadata.notificationConfigurationInfo ?? toUs,
      profilePolicyRules: ppr ?? metadata.profilePolicyRules,
    };
  }
}
