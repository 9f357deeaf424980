// Notifications that reached the virtual SM-DP+ (SGP.22 §5.6.4): each once, with whether its signature holds.
import { swappedBcdToDigits, toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { decode } from "../../ipa/asn1/schema.ts";
import { type NotificationMetadata, PendingNotification } from "../../ipa/messages/notifications.ts";
import { type EuiccChain, verifyEuiccChain } from "../pki/chain.ts";
import { verifyTolerantly } from "../pki/signature.ts";
import { refuse } from "./status.ts";

export interface LoggedNotification {
  readonly kind: "profileInstallationResult" | "otherSignedNotification";
  readonly atMs: number;
  /** Undefined where the eUICC is not known: an installation result of a session long gone. */
  readonly eid: string | undefined;
  readonly verified: boolean;
  readonly seqNumber: number;
  /** install, enable, disable, delete. */
  readonly event: string;
  readonly address: string;
  /** Digits. */
  readonly iccid: string | undefined;
  /** Of an installation result. */
  readonly transactionId?: string;
  readonly installed?: boolean;
  readonly errorReason?: string | undefined;
  /** How often it was delivered. */
  times: number;
  readonly raw: Uint8Array;
}

export interface NotificationLogOptions {
  readonly anchors: readonly Uint8Array[];
  readonly clock: Clock;
  /** Whose session that was, if it is still known. */
  readonly keyOf: (transactionId: Uint8Array) => EuiccChain | undefined;
}

const maxEntries = 10_000;

export class NotificationLog {
  readonly #entries = new Map<string, LoggedNotification>();
  readonly #options: NotificationLogOptions;

  constructor(options: NotificationLogOptions) {
    this.#options = options;
  }

  get all(): readonly LoggedNotification[] {
    return [...this.#entries.values()];
  }

  /** The entry, or undefined when it was there already. Throws SIM_REQUEST when it is no notification. */
  add(raw: Uint8Array): LoggedNotification | undefined {
    const key = toHex(raw);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.times++;
      return undefined;
    }
    const entry = this.#read(raw);
    const oldest = this.#entries.size >= maxEntries ? this.#entries.keys().next().value : undefined;
    if (oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, entry);
    return entry;
  }

  #read(raw: Uint8Array): LoggedNotification {
    const notification = this.#decode(raw);
    const atMs = this.#options.clock.now();
    if (notification.kind === "profileInstallationResult") {
      const { profileInstallationResultData: data, euiccSignPIR } = notification.value;
      const { transactionId, notificationMetadata, finalResult } = data.value;
      const chain = this.#options.keyOf(transactionId);
      return {
        kind: notification.kind,
        atMs,
        eid: chain?.eid,
        verified: chain !== undefined && verifyTolerantly(chain.euicc.publicKey, euiccSignPIR, data.raw),
        ...metadataFields(notificationMetadata),
        transactionId: toHex(transactionId),
        installed: finalResult.kind === "successResult",
        errorReason: finalResult.kind === "errorResult" ? String(finalResult.value.errorReason) : undefined,
        times: 1,
        raw,
      };
    }
    if (notification.kind !== "otherSignedNotification") throw refuse("elementInvalid", "a compact notification is for an eIM");
    const { tbsOtherNotification, euiccNotificationSignature, euiccCertificate, eumCertificate } = notification.value;
    const chain = this.#chainOf(euiccCertificate, eumCertificate);
    return {
      kind: notification.kind,
      atMs,
      eid: chain?.eid,
      verified: chain !== undefined && verifyTolerantly(chain.euicc.publicKey, euiccNotificationSignature, tbsOtherNotification.raw),
      ...metadataFields(tbsOtherNotification.value),
      times: 1,
      raw,
    };
  }

  #decode(raw: Uint8Array): PendingNotification {
    try {
      return decode(PendingNotification, raw, { name: "pendingNotification" });
    } catch (error) {
      throw refuse("elementInvalid", error instanceof Error ? error.message : "pendingNotification");
    }
  }

  #chainOf(euiccCertificate: Uint8Array, eumCertificate: Uint8Array): EuiccChain | undefined {
    try {
      return verifyEuiccChain(euiccCertificate, eumCertificate, { anchors: this.#options.anchors, atMs: this.#options.clock.now() });
    } catch {
      return undefined;
    }
  }
}

function metadataFields(metadata: NotificationMetadata): Pick<LoggedNotification, "seqNumber" | "event" | "address" | "iccid"> {
  const { seqNumber, profileManagementOperation, notificationAddress, iccid } = metadata;
  const event = profileManagementOperation
    .map((name) =>
      String(name)
        .replace(/^notification/, "")
        .toLowerCase(),
    )
    .join("+");
  return {
    seqNumber: Number(seqNumber),
    event,
    address: notificationAddress,
    iccid: iccid === undefined ? undefined : swappedBcdToDigits(iccid),
  };
}
