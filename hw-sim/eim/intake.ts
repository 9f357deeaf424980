// What comes back from eUICCs: package results, notifications, eUICC data, download results. Each is verified, stored once, and told to its order;
// the answer is the sequence numbers that may be acknowledged.
import { toHexUpper } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { errorReport } from "../../base/errors.ts";
import { decode } from "../../ipa/asn1/schema.ts";
import { childOf, childrenOf, rawOf, readOnlyTlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { IpaEuiccDataResponse, ProfileDownloadTriggerResult } from "../../ipa/messages/esipa.ts";
import { type NotificationMetadata, PendingNotification } from "../../ipa/messages/notifications.ts";
import type { EuiccChain } from "../pki/chain.ts";
import { verifyTolerantly } from "../pki/signature.ts";
import { type Euicc, type EuiccRegistry, hold, itemKey, type StoredItem } from "./euiccs.ts";
import type { EventLog } from "./events.ts";
import type { Forwarding } from "./forwarding.ts";
import type { Order, OrderStore } from "./orders.ts";
import { innermost } from "./parts.ts";
import { render } from "./render.ts";
import { firstFailure, isRolledBack, isSignedBy, type ReadResult, readPackageResult } from "./results.ts";

export interface IntakeOptions {
  readonly eimId: string;
  readonly clock: Clock;
  readonly euiccs: EuiccRegistry;
  readonly orders: OrderStore;
  readonly events: EventLog;
  readonly forwarding: Forwarding;
  /** Results with an empty signature are taken: packages that simward carried out in place of a consumer eUICC. */
  readonly takesUnsigned: () => boolean;
}

/** Certificates, token, info and capabilities: what the eIM asks for when it cannot verify. */
const identityTags = Uint8Array.from([0x84, 0xa5, 0xa6, 0xbf, 0x20, 0xbf, 0x22, 0xa8]);

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  // --- BF51 -----------------------------------------------------------------------------------------------------------------

  /** The sequence number to acknowledge; undefined where there is none or it may not be. Throws the ASN1_ errors. */
  packageResult(euicc: Euicc, raw: Uint8Array): number | undefined {
    const { orders, eimId } = this.#options;
    const result = readPackageResult(raw);
    if (result.eimId !== eimId) return this.#refused(euicc, "result", "it is addressed to another eIM");
    const order = this.#orderOf(euicc, result);
    if (result.kind === "euiccPackageErrorUnsigned") return this.#unsignedError(euicc, order, result);
    if (result.signature.length === 0 && this.#options.takesUnsigned())
      return result.kind === "euiccPackageError"
        ? this.#signedError(euicc, order, result, false)
        : this.#signedResult(euicc, order, result, raw, false);
    const { chain } = euicc;
    if (chain === undefined) {
      hold(euicc, raw);
      if (order !== undefined) orders.move(order, { kind: "resultHeld" });
      this.askForIdentity(euicc);
      return undefined;
    }
    if (!isSignedBy(chain, result, [order?.associationToken, euicc.associationToken])) {
      if (order !== undefined) order.results.push({ kind: result.kind, verified: false });
      return this.#refused(euicc, "result", "its signature does not verify");
    }
    if (result.kind === "euiccPackageError") return this.#signedError(euicc, order, result, true);
    return this.#signedResult(euicc, order, result, raw, true);
  }

  #signedResult(
    euicc: Euicc,
    order: Order | undefined,
    result: Extract<ReadResult, { kind: "euiccPackageResult" }>,
    raw: Uint8Array,
    verified: boolean,
  ): number {
    const { orders, events, clock } = this.#options;
    const { seqNumber, counterValue, eimTransactionId, commands } = result;
    const key = itemKey(seqNumber, raw);
    const known = euicc.results.get(key);
    if (known !== undefined) {
      known.deliveries++;
      return seqNumber;
    }
    const view = {
      kind: result.kind,
      seqNumber,
      counterValue,
      eimTransactionId: eimTransactionId === undefined ? undefined : toHexUpper(eimTransactionId),
      commands,
      verified,
      orderId: order?.orderId,
    };
    euicc.results.set(key, { eid: euicc.eid, seqNumber, atMs: clock.now(), raw, view, deliveries: 1 });
    events.tell("result", { eid: euicc.eid, ...view });
    if (order === undefined) return seqNumber;
    order.results.push(view);
    const failure = firstFailure(commands);
    if (isRolledBack(commands)) orders.move(order, { kind: "rolledBack" });
    else orders.move(order, failure === undefined ? { kind: "succeeded" } : { kind: "failed", reason: failure });
    return seqNumber;
  }

  #signedError(
    euicc: Euicc,
    order: Order | undefined,
    result: Extract<ReadResult, { kind: "euiccPackageError" }>,
    verified: boolean,
  ): undefined {
    const { orders, events } = this.#options;
    const { errorCode, counterValue } = result;
    events.tell("result", { eid: euicc.eid, orderId: order?.orderId, kind: result.kind, errorCode, counterValue, verified });
    if (order === undefined) return undefined;
    orders.move(order, errorCode === "replayError" ? { kind: "replayed" } : { kind: "failed", reason: String(errorCode) });
    // A package given out again and refused as replayed has a result of its own on the card: that one counts.
    if (order.standing.state === "failed") order.results.push({ kind: result.kind, errorCode, counterValue, verified });
    return undefined;
  }

  #unsignedError(euicc: Euicc, order: Order | undefined, result: Extract<ReadResult, { kind: "euiccPackageErrorUnsigned" }>): undefined {
    const { orders, events } = this.#options;
    const { kind, associationToken } = result;
    events.tell("result", { eid: euicc.eid, orderId: order?.orderId, kind, associationToken, verified: false });
    // Nobody signed it, so it is a hint only; with a wrong one the next package fails as this one did.
    if (associationToken !== undefined) euicc.associationToken = associationToken;
    if (order === undefined) return undefined;
    order.results.push({ kind, associationToken, verified: false });
    orders.move(order, { kind: "failed", reason: kind });
    return undefined;
  }

  /** By the transaction it names, else by counter, else the last package given out. */
  #orderOf(euicc: Euicc, result: ReadResult): Order | undefined {
    const { orders } = this.#options;
    if (result.eimTransactionId !== undefined) {
      const order = orders.byTransaction(result.eimTransactionId);
      return order?.eid === euicc.eid ? order : undefined;
    }
    if (result.kind === "euiccPackageErrorUnsigned") return orders.lastFetched(euicc.eid, "euiccPackage");
    return orders.all.find((order) => order.eid === euicc.eid && order.counterValue === result.counterValue);
  }

  // --- notifications --------------------------------------------------------------------------------------------------------

  /**
   * A PendingNotification as it came. `forward` sends it on to its SM-DP+. The number to acknowledge, or undefined when it does not verify:
   * what cannot be verified yet is stored only where the IPA will not keep it. Throws the ASN1_ errors.
   */
  notification(euicc: Euicc | undefined, raw: Uint8Array, forward: boolean, ipaKeepsIt = false): number | undefined {
    const { euiccs } = this.#options;
    const notification = decode(PendingNotification, raw, { name: "pendingNotification" });
    switch (notification.kind) {
      case "profileInstallationResult": {
        const { profileInstallationResultData: data, euiccSignPIR } = notification.value;
        const { transactionId, notificationMetadata, finalResult } = data.value;
        const verified = euicc?.chain !== undefined && verifyTolerantly(euicc.chain.euicc.publicKey, euiccSignPIR, data.raw);
        if (euicc?.chain !== undefined && !verified) return this.#refused(euicc, "notification", "its signature does not verify");
        if (euicc !== undefined && !verified) this.askForIdentity(euicc);
        if (!verified && ipaKeepsIt) return undefined;
        const view = { kind: notification.kind, transactionId: toHexUpper(transactionId), finalResult: render(finalResult), verified };
        return this.#store(euicc, raw, notificationMetadata, view, forward ? raw : undefined);
      }
      case "otherSignedNotification": {
        const { tbsOtherNotification: tbs, euiccNotificationSignature, euiccCertificate, eumCertificate } = notification.value;
        let chain: EuiccChain;
        try {
          chain = euiccs.verifiedChain(euicc?.eid, euiccCertificate, eumCertificate);
        } catch (error) {
          return this.#refused(euicc, "notification", errorReport(error).message);
        }
        const known = euicc ?? euiccs.find(chain.eid);
        if (!verifyTolerantly(chain.euicc.publicKey, euiccNotificationSignature, tbs.raw))
          return this.#refused(known, "notification", "its signature does not verify");
        if (known !== undefined) this.#learn(known, chain);
        return this.#store(known, raw, tbs.value, { kind: notification.kind, verified: true }, forward ? raw : undefined);
      }
      case "compactOtherSignedNotification": {
        const { tbsOtherNotification: tbs, euiccNotificationSignature: signature } = notification.value;
        const chain = euicc?.chain;
        if (chain === undefined || !verifyTolerantly(chain.euicc.publicKey, signature, tbs.raw))
          return this.#refused(euicc, "notification", "its signature cannot be verified");
        // The SM-DP+ gets the full form, with the certificates the IPA left out (SGP.32 §2.11.2).
        const full = writeTlv(0x30, tbs.raw, writeTlv(0x5f37, signature), chain.euicc.der, chain.eum.der);
        return this.#store(euicc, full, tbs.value, { kind: "otherSignedNotification", verified: true }, forward ? full : undefined);
      }
      case "compactProfileInstallationResult":
        // One that comes by HandleNotification has been built again before it comes here; elsewhere there is no session to build it from.
        return this.#refused(euicc, "notification", "a compact installation result without its session");
    }
  }

  /** The numbers to acknowledge of a list as it stands inside a message: its TLV, whatever its tag. */
  notificationList(euicc: Euicc, list: Uint8Array): number[] {
    return childrenOf(readOnlyTlv(list)).flatMap((item) => this.notification(euicc, rawOf(item), true, true) ?? []);
  }

  #store(
    euicc: Euicc | undefined,
    raw: Uint8Array,
    metadata: NotificationMetadata,
    fields: Readonly<Record<string, unknown>>,
    toForward: Uint8Array | undefined,
  ): number {
    const { events, clock, forwarding } = this.#options;
    const { profileManagementOperation, notificationAddress, iccid } = metadata;
    const seqNumber = Number(metadata.seqNumber);
    const key = itemKey(seqNumber, raw);
    const known = euicc?.notifications.get(key);
    if (known !== undefined) {
      known.deliveries++;
      return seqNumber;
    }
    const view = { ...fields, seqNumber, event: profileManagementOperation, address: notificationAddress, iccid: render(iccid, "iccid") };
    const item: StoredItem = { eid: euicc?.eid ?? "", seqNumber, atMs: clock.now(), raw, view, deliveries: 1 };
    euicc?.notifications.set(key, item);
    events.tell("notification", { eid: euicc?.eid, ...view });
    if (toForward !== undefined) forwarding.forward(euicc?.eid, notificationAddress, toForward, seqNumber);
    return seqNumber;
  }

  // --- BF52 -----------------------------------------------------------------------------------------------------------------

  /** IpaEuiccDataResponse as it came; the numbers to acknowledge. Throws the ASN1_ errors. */
  euiccData(euicc: Euicc, raw: Uint8Array): number[] {
    const { orders, events } = this.#options;
    const response = decode(IpaEuiccDataResponse, raw, { name: "ipaEuiccDataResponse" });
    const byTransaction = response.value.eimTransactionId === undefined ? undefined : orders.byTransaction(response.value.eimTransactionId);
    const order = byTransaction ?? orders.lastFetched(euicc.eid, "ipaEuiccData");
    if (response.kind === "ipaEuiccDataResponseError") {
      const errorCode = String(response.value.ipaEuiccDataErrorCode);
      events.tell("result", { eid: euicc.eid, orderId: order?.orderId, kind: response.kind, errorCode });
      order?.results.push({ kind: response.kind, errorCode });
      if (order !== undefined) orders.move(order, { kind: "failed", reason: errorCode });
      return [];
    }
    const data = response.value;
    let reason: string | undefined;
    if (data.associationToken !== undefined) euicc.associationToken = Number(data.associationToken);
    euicc.capabilities = data.ipaCapabilities ?? euicc.capabilities;
    euicc.deviceInfo = data.deviceInfo ?? euicc.deviceInfo;
    const parts = childrenOf(innermost(raw)).filter((part) => part.tag === 0xa0);
    const fields = parts.flatMap((part) => childrenOf(part));
    const info1 = fields.find((field) => field.tag === 0xbf20);
    if (info1 !== undefined) euicc.info1 = rawOf(info1).slice();
    const info2 = fields.find((field) => field.tag === 0xbf22);
    if (info2 !== undefined) euicc.info2 = rawOf(info2).slice();
    const acknowledged: number[] = [];
    if (data.euiccCertificate !== undefined && data.eumCertificate !== undefined) {
      try {
        acknowledged.push(...this.#learn(euicc, this.#options.euiccs.verifiedChain(euicc.eid, data.euiccCertificate, data.eumCertificate)));
      } catch (error) {
        reason = errorReport(error).message;
        this.#refused(euicc, "certificate", reason);
      }
    }
    for (const field of fields) {
      if (field.tag === 0xa0) acknowledged.push(...this.notificationList(euicc, rawOf(field)));
      if (field.tag === 0xa2) acknowledged.push(...childrenOf(field).flatMap((result) => this.packageResult(euicc, rawOf(result)) ?? []));
    }
    const view = { kind: response.kind, data: render(data) };
    events.tell("result", { eid: euicc.eid, orderId: order?.orderId, ...view });
    order?.results.push(view);
    if (order !== undefined) orders.move(order, reason === undefined ? { kind: "succeeded" } : { kind: "failed", reason });
    return acknowledged;
  }

  /** Takes a verified chain, and verifies what waited for one; the numbers to acknowledge of that. */
  #learn(euicc: Euicc, chain: EuiccChain): number[] {
    const isNew = euicc.chain === undefined;
    euicc.chain = chain;
    if (isNew) this.#options.events.tell("euicc", { eid: euicc.eid, learned: "certificate" });
    const { held } = euicc;
    euicc.held = [];
    return held.flatMap((raw) => {
      if (readOnlyTlv(raw).tag === 0xbf51) return this.packageResult(euicc, raw) ?? [];
      this.downloadResult(euicc, raw);
      return [];
    });
  }

  /** A chain met elsewhere, in a relayed download for example. Throws CERTIFICATE. */
  learnChain(euicc: Euicc, euiccCertificate: Uint8Array, eumCertificate: Uint8Array): void {
    this.#learn(euicc, this.#options.euiccs.verifiedChain(euicc.eid, euiccCertificate, eumCertificate));
  }

  /** Asks the IPA for the eUICC's certificates and the rest of what identifies it, unless that is under way. */
  askForIdentity(euicc: Euicc): void {
    const { orders } = this.#options;
    const { eid } = euicc;
    const isAsked = orders.all.some(
      (order) => order.internal && order.eid === eid && order.standing.state !== "done" && order.standing.state !== "failed",
    );
    if (isAsked) return;
    orders.add(
      { kind: "ipaEuiccData", eid, tagList: identityTags, euiccCiPKId: undefined, notifications: undefined, packageResult: undefined },
      true,
    );
  }

  // --- BF54 and A0 ----------------------------------------------------------------------------------------------------------

  /** ProfileDownloadTriggerResult as it came: the end of a direct download. Nothing of it is acknowledged: its notification goes to the SM-DP+. */
  downloadResult(euicc: Euicc, raw: Uint8Array): void {
    const { orders, events } = this.#options;
    const { eimTransactionId, profileDownloadTriggerResultData: data } = decode(ProfileDownloadTriggerResult, raw, {
      name: "profileDownloadTriggerResult",
    });
    const byTransaction = eimTransactionId === undefined ? undefined : orders.byTransaction(eimTransactionId);
    const order = byTransaction ?? orders.lastFetched(euicc.eid, "download");
    if (data.kind === "profileDownloadError") {
      const view = { kind: data.kind, ...(render(data.value) as object) };
      events.tell("result", { eid: euicc.eid, orderId: order?.orderId, ...view });
      order?.results.push(view);
      if (order !== undefined)
        orders.move(order, { kind: "failed", reason: `profileDownloadError: ${String(data.value.profileDownloadErrorReason)}` });
      return;
    }
    const found = childOf(innermost(raw), 0xbf37);
    if (found === undefined) return;
    if (euicc.chain === undefined) {
      hold(euicc, raw);
      if (order !== undefined) orders.move(order, { kind: "resultHeld" });
      this.askForIdentity(euicc);
      return;
    }
    this.installed(euicc, order, rawOf(found), false);
  }

  /** BF37: the end of a download, by whatever way. */
  installed(euicc: Euicc | undefined, order: Order | undefined, raw: Uint8Array, forward: boolean): void {
    const { orders } = this.#options;
    const seqNumber = this.notification(euicc, raw, forward);
    if (order === undefined || seqNumber === undefined) return;
    const view = euicc?.notifications.get(itemKey(seqNumber, raw))?.view;
    order.results.push(view);
    const final = view?.finalResult as { readonly kind?: string; readonly value?: { readonly errorReason?: unknown } } | undefined;
    if (final?.kind === "successResult") orders.move(order, { kind: "installed" });
    else orders.move(order, { kind: "failed", reason: String(final?.value?.errorReason) });
  }

  /** EimPackageResultResponseError: the IPA could do nothing with a package. */
  packageError(euicc: Euicc, eimTransactionId: Uint8Array | undefined, code: string): void {
    const { orders, events } = this.#options;
    const byTransaction = eimTransactionId === undefined ? undefined : orders.byTransaction(eimTransactionId);
    const order = byTransaction ?? orders.lastFetched(euicc.eid, "raw", "euiccPackage", "ipaEuiccData", "download");
    const view = {
      kind: "eimPackageResultResponseError",
      code,
      eimTransactionId: eimTransactionId === undefined ? undefined : toHexUpper(eimTransactionId),
    };
    events.tell("result", { eid: euicc.eid, orderId: order?.orderId, ...view });
    order?.results.push(view);
    if (order !== undefined) orders.move(order, { kind: "failed", reason: code });
  }

  #refused(euicc: Euicc | undefined, what: string, reason: string): undefined {
    this.#options.events.tell("refused", { eid: euicc?.eid, what, reason });
    return undefined;
  }
}
