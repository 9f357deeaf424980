// Package execution (SGP.32 §3.3.1) with the way back (§3.3.2): performs what the package machine decides, on card, module and eIM.
// The package goes to the card, and the card's result to the eIM, octet for octet.
import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { asSimwardError, errorReport, SimwardError as Failure, isCode, type SimwardError } from "../../base/errors.ts";
import { childOf, rawOf, readOnlyTlv } from "../asn1/tlv.ts";
import { type EimClient, isUnreachable } from "../esipa/client.ts";
import { collapsed } from "../euicc/double-tag.ts";
import { type Es10, loadEuiccPackage, profileRollback } from "../euicc/es10.ts";
import { nextPackage, type PackageEffect, type PackageInput, type PackageState } from "../machines/package.ts";
import type { EuiccPackageRequest } from "../messages/package.ts";
import type { ProfileFacts } from "../ports.ts";
import { profileFacts, readNotifications, readPackageResults, readProfiles, type StoredResult } from "./card.ts";
import { ask, type IpaContext, within } from "./context.ts";
import { drive, type Telling } from "./drive.ts";
import { deferred, emergencyOf, isEmergencyProfileEnabled } from "./emergency.ts";
import { fromBase64, toBase64 } from "./journal.ts";
import { orderOf, outcomeOf, type PackageOrder, wayBackOf } from "./package-facts.ts";
import { keepResult, removeAcknowledged, sendResult } from "./reporting.ts";

/** Larger ones are not kept in the journal: state.json stays under 16 KiB. */
const maxJournalBytes = 4_096;
/** A module that does not keep to its deadline is given this much more. */
const adoptGraceMs = 10_000;
const catBusyAttempts = 3;

/** One package from reception to acknowledgement. Answers why it is unfinished, if it is. */
export async function executePackage(
  context: IpaContext,
  client: EimClient,
  received: { readonly raw: Uint8Array; readonly value: EuiccPackageRequest },
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const order = orderOf(received.value);
  const sha256 = toHex(createHash("sha256").update(received.raw).digest());
  await context.tell({
    kind: "package.received",
    eimId: client.eimId,
    packageKind: "euiccPackage",
    bytes: received.raw.length,
    sha256,
    eimTransactionId: order.eimTransactionId,
    counterValue: order.counterValue,
    operations: order.operations.map(({ name }) => name),
  });
  if (order.touchesProfiles) await refreshProfiles(context, signal);
  const { profiles } = context.memory;
  const verdict = await ask(
    context,
    "euiccPackage",
    {
      eimId: client.eimId,
      sha256,
      operations: order.operations,
      profiles: order.touchesProfiles ? profiles : [],
      changesProfile: order.changesProfile,
      wayBack: wayBackOf(order, profiles),
    },
    sha256,
  );
  const eim = context.eims.find(client.eimId);
  const state: PackageState = {
    kind: "euiccPackage",
    phase: "received",
    order,
    reportTo: context.eims.find(order.eimId) === undefined ? client.eimId : order.eimId,
    sha256,
    package: received.raw.length <= maxJournalBytes ? toBase64(received.raw) : undefined,
    eimConfiguration: order.changesEims && eim !== undefined ? toBase64(eim.raw) : undefined,
    fromIccid: profiles.find(({ enabled }) => enabled)?.iccid,
    attempts: 0,
    rollbackTried: false,
    rolledBack: false,
    remove: [],
    reported: false,
  };
  const input: PackageInput = { kind: verdict.kind === "refuse" ? "refused" : "allowed" };
  return new PackageRun(context, signal, received.raw).run(state, input);
}

/** Goes on with what the journal holds. */
export function resumePackage(
  context: IpaContext,
  state: PackageState,
  afterRestart: boolean,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const { heldPackage } = context.memory;
  const held = heldPackage?.sha256 === state.sha256 ? heldPackage.raw : undefined;
  context.memory.heldPackage = undefined;
  const raw = state.package === undefined ? held : fromBase64(state.package);
  return new PackageRun(context, signal, raw).run(state, { kind: "resumed", afterRestart });
}

/** Reads which profiles there are; a card that will not tell leaves what is known, and false is answered. */
export async function refreshProfiles(context: IpaContext, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    const profiles = await context.euicc.withEuicc("profiles", readProfiles, signal);
    noteProfiles(context, profiles.map(profileFacts));
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    await context.tell({ kind: "warning", where: "ES10b.GetProfilesInfo", error: errorReport(error) });
    return false;
  }
}

/** What the card has told of its profiles. */
export function noteProfiles({ memory, ports }: Pick<IpaContext, "memory" | "ports">, profiles: readonly ProfileFacts[]): void {
  memory.profiles = profiles;
  ports.interlock?.cardRead(isEmergencyProfileEnabled(profiles));
}

/** What is in memory while one package is under way. */
class PackageRun {
  readonly #context: IpaContext;
  readonly #signal: AbortSignal | undefined;
  readonly #package: Uint8Array | undefined;
  #result: Uint8Array | undefined;
  #refreshPending = false;
  /** Since when the module stands on the new profile, as far as this run knows. */
  #adoptedMs: number | undefined;
  #problem: SimwardError | undefined;

  constructor(context: IpaContext, signal: AbortSignal | undefined, raw: Uint8Array | undefined) {
    this.#context = context;
    this.#signal = signal;
    this.#package = raw;
  }

  async run(state: PackageState, input: PackageInput): Promise<SimwardError | undefined> {
    const { journal, tell } = this.#context;
    const last = await drive<PackageState, PackageInput, Exclude<PackageEffect, Telling>>(
      {
        next: nextPackage,
        perform: (effect, current) => this.#perform(effect, current),
        // "done" is written by `finish`, together with what follows from it.
        save: (current) => (current.phase === "done" ? Promise.resolve() : journal.update({ operation: current })),
        tell,
      },
      state,
      input,
    );
    return last.phase === "done" && last.reported ? undefined : this.#problem;
  }

  async #perform(effect: Exclude<PackageEffect, Telling>, state: PackageState): Promise<PackageInput | undefined> {
    if (this.#isHeld(effect)) return this.#hold(state);
    switch (effect.do) {
      case "load":
        return this.#load(state, effect.mayBeLoaded);
      case "adopt":
        return this.#adopt(effect.iccid, state);
      case "report":
        return this.#report(state, effect.patient);
      case "rollBack":
        return this.#rollBack(state, effect.mayBeDone);
      case "remove":
        return removeAcknowledged(this.#context, effect.seqNumbers, this.#signal).then(() => ({ kind: "removed" }));
      case "finish":
        return this.#finish(state);
    }
  }

  // --- an emergency ---------------------------------------------------------------------------------------------------------

  /** A card whose emergency profile is enabled refuses a package itself, signed (SGP.32 §3.3.1); reports are traffic, which is not blocked. */
  #isHeld(effect: Exclude<PackageEffect, Telling>): boolean {
    const sources = emergencyOf(this.#context);
    if (effect.do === "load") return sources.length > 0 && !sources.includes("profile");
    return sources.length > 0 && (effect.do === "adopt" || effect.do === "rollBack");
  }

  /** It stays in the journal as it is. */
  async #hold(state: PackageState): Promise<undefined> {
    this.#problem = await deferred(this.#context, `euiccPackage of ${state.order.eimId}, ${state.phase}`);
    if (this.#package !== undefined && state.package === undefined && state.phase === "loading")
      this.#context.memory.heldPackage = { sha256: state.sha256, raw: this.#package };
    return undefined;
  }

  // --- ES10b.LoadEuiccPackage -----------------------------------------------------------------------------------------------

  async #load({ order }: PackageState, mayBeLoaded: boolean): Promise<PackageInput> {
    let found = mayBeLoaded ? await this.#stored(order).catch(() => undefined) : undefined;
    for (let attempt = 0; found === undefined && attempt < 2; attempt++) {
      const error = await this.#send();
      if (error === undefined) break;
      this.#problem = error;
      // The card may have carried it out and lost only the answer. Its counter makes a second loading harmless, but not wanted.
      try {
        found = await this.#stored(order);
      } catch {
        return { kind: "notLoaded", sure: false };
      }
      if (found !== undefined || !isSure(error)) continue;
      await this.#context.tell({ kind: "error", where: loadEuiccPackage.name, error: errorReport(error) });
      return { kind: "notLoaded", sure: true };
    }
    if (found !== undefined) this.#result = found.raw;
    if (this.#result === undefined) return { kind: "notLoaded", sure: false };
    try {
      return { kind: "loaded", outcome: outcomeOf(this.#result, order.operations), result: journaled(this.#result) };
    } catch (error) {
      this.#problem = new Failure("ES10_RESPONSE", { detail: loadEuiccPackage.name, cause: error });
      return { kind: "notLoaded", sure: true };
    }
  }

  async #send(): Promise<SimwardError | undefined> {
    const raw = this.#package;
    if (raw === undefined) return new Failure("PACKAGE_FORMAT", { detail: "the package was too large for the journal and is gone" });
    try {
      await this.#euicc("eUICC package", async (es10) => {
        this.#result = rawOf(collapsed(readOnlyTlv(await es10.forward(loadEuiccPackage, raw))));
        this.#refreshPending = es10.refreshPending;
      });
      return undefined;
    } catch (error) {
      this.#signal?.throwIfAborted();
      return asSimwardError(error);
    }
  }

  /** The result that the card stored for this order, if it did. */
  async #stored(order: PackageOrder): Promise<StoredResult | undefined> {
    const stored = await this.#euicc("stored package results", readPackageResults);
    return stored.find(({ outcome }) => outcome.eimId === order.eimId && outcome.counterValue === order.counterValue);
  }

  // --- the module -----------------------------------------------------------------------------------------------------------

  async #adopt(iccid: string | undefined, state: PackageState): Promise<PackageInput | undefined> {
    const online = await adoptProfile(this.#context, iccid, this.#refreshPending, this.#signal);
    this.#refreshPending = false;
    // It was not given its time: the emergency came in between.
    if (!online && emergencyOf(this.#context).length > 0) return this.#hold(state);
    this.#adoptedMs = this.#context.ports.clock.monotonicMs();
    return { kind: "adopted", online };
  }

  // --- ESipa.ProvideEimPackageResult ----------------------------------------------------------------------------------------

  async #report(state: PackageState, patient: boolean): Promise<PackageInput | undefined> {
    const { clock } = this.#context.ports;
    const { rollbackAfterMs, reportRetryMs, esipaTimeoutMs } = this.#context.options;
    const untilMs = (this.#adoptedMs ?? clock.monotonicMs()) + rollbackAfterMs;
    for (;;) {
      const leftMs = untilMs - clock.monotonicMs();
      const limitMs = patient ? Math.max(Math.min(leftMs, esipaTimeoutMs), reportRetryMs) : esipaTimeoutMs;
      try {
        const remove = await within(clock, limitMs, "report to the eIM", (signal) => this.#reportOnce(state, signal), this.#signal);
        return { kind: "reported", remove };
      } catch (error) {
        this.#signal?.throwIfAborted();
        const known = isCode(error, "DEADLINE")
          ? new Failure("ESIPA_UNREACHABLE", { detail: `${state.reportTo}: ${error.detail}`, cause: error })
          : asSimwardError(error);
        this.#problem = known;
        if (isCode(known, "ESIPA_REFUSED", "EIM_UNKNOWN")) return this.#unreported(state, known, "refused");
        if (!isUnreachable(known)) return this.#unreported(state, known, "later");
        if (!patient || untilMs - clock.monotonicMs() <= reportRetryMs) {
          // The way back must wait, and then the eIM has another chance first.
          if (patient && emergencyOf(this.#context).length > 0) return this.#hold(state);
          return this.#unreported(state, known, "unreachable");
        }
      }
      // Half and half jitter: a fleet switched by one order must not come back in step (GSMA TS.34).
      await clock.sleep(reportRetryMs * (0.5 + this.#context.ports.random.unit() / 2), this.#signal);
    }
  }

  async #unreported(state: PackageState, error: SimwardError, why: "unreachable" | "later" | "refused"): Promise<PackageInput> {
    await this.#context.tell({
      kind: "package.unreported",
      eimId: state.reportTo,
      seqNumber: state.outcome?.seqNumber,
      error: errorReport(error),
    });
    return { kind: "notReported", why };
  }

  /** Answers what may be removed from the card. */
  async #reportOnce(state: PackageState, signal: AbortSignal): Promise<readonly number[]> {
    const client = this.#client(state);
    if (state.undefinedError === true) {
      await client.provideEimPackageResult(client.encodeResult(errorAnswer(state.order)), signal);
      return [];
    }
    const { order, outcome } = state;
    const { result, notifications } = await this.#euicc("report", async (es10) => ({
      result: await this.#resultOf(state, es10),
      // An error changed no profile; an eCO touches none.
      notifications: order.isPsmo && outcome?.kind === "euiccPackageResultSigned" ? await readNotifications(es10) : [],
    }));
    const message = client.encodeResult({ kind: "euiccPackageResult", result, notifications: notifications.map(({ raw }) => raw) });
    const own = outcome?.seqNumber === undefined ? [] : [outcome.seqNumber];
    const accepted = await sendResult(this.#context, client, message, [...own, ...notifications.map(({ seqNumber }) => seqNumber)], signal);
    for (const seqNumber of own) keepResult(this.#context, seqNumber, order.eimId, true);
    return client.compat.removeOwnResult ? [...new Set([...accepted, ...own])] : accepted;
  }

  async #resultOf(state: PackageState, es10: Es10): Promise<Uint8Array> {
    const known = this.#result ?? (state.result === undefined ? undefined : fromBase64(state.result));
    if (known !== undefined) return known;
    const stored = await readPackageResults(es10);
    const found = stored.find(({ outcome }) => outcome.eimId === state.order.eimId && outcome.counterValue === state.order.counterValue);
    if (found === undefined) throw new Failure("ES10_RESPONSE", { detail: "the card no longer holds the package's result" });
    return found.raw;
  }

  #client(state: PackageState): EimClient {
    const kept = state.eimConfiguration === undefined ? undefined : fromBase64(state.eimConfiguration);
    return this.#context.eims.client(state.reportTo, kept);
  }

  // --- ES10b.ProfileRollback ------------------------------------------------------------------------------------------------

  async #rollBack(state: PackageState, mayBeDone: boolean): Promise<PackageInput> {
    const { clock } = this.#context.ports;
    const { refreshFlag, reportRetryMs } = this.#context.options;
    if (mayBeDone) {
      const found = await this.#stored(state.order).catch(() => undefined);
      if (found?.outcome.rolledBack === true) return this.#rolledBack(state, found.raw);
    }
    for (let attempt = 1; ; attempt++) {
      try {
        const { raw, value } = await this.#euicc("rollback", async (es10) => {
          const answer = await es10.ask(profileRollback, { refreshFlag });
          this.#refreshPending = es10.refreshPending;
          return answer;
        });
        if (value.cmdResult === "ok") {
          const member = childOf(collapsed(readOnlyTlv(raw)), 0xbf51);
          const replaced = member === undefined ? (await this.#stored(state.order).catch(() => undefined))?.raw : rawOf(collapsed(member));
          return this.#rolledBack(state, replaced);
        }
        // The card takes the module's proactive session to an end first.
        if (value.cmdResult === "catBusy" && attempt < catBusyAttempts) await clock.sleep(reportRetryMs, this.#signal);
        else if (mayBeDone && (await this.#isBack(state))) return this.#rolledBack(state, undefined);
        else return { kind: "notRolledBack", code: String(value.cmdResult), sure: value.cmdResult !== "catBusy" };
      } catch (error) {
        this.#signal?.throwIfAborted();
        const known = asSimwardError(error);
        this.#problem = known;
        const found = await this.#stored(state.order).catch(() => undefined);
        if (found?.outcome.rolledBack === true) return this.#rolledBack(state, found.raw);
        return { kind: "notRolledBack", code: known.code, sure: isCode(known, "ES10_UNSUPPORTED") };
      }
    }
  }

  #rolledBack(state: PackageState, result: Uint8Array | undefined): PackageInput {
    this.#result = result;
    const outcome = result === undefined ? undefined : outcomeOf(result, state.order.operations);
    return { kind: "rolledBack", outcome, result: result === undefined ? undefined : journaled(result) };
  }

  async #isBack({ fromIccid }: PackageState): Promise<boolean> {
    await refreshProfiles(this.#context, this.#signal);
    return this.#context.memory.profiles.some(({ enabled, iccid }) => enabled && iccid === fromIccid);
  }

  // --- the end --------------------------------------------------------------------------------------------------------------

  async #finish(state: PackageState): Promise<undefined> {
    const { journal, eims, euicc } = this.#context;
    const { order, outcome } = state;
    const seqNumber = outcome?.seqNumber;
    const worked = outcome?.outcomes.filter(({ code }) => code === "ok").map(({ name }) => name) ?? [];
    const changed = !state.rolledBack && ["enable", "disable", "delete"].some((name) => worked.includes(name));
    const others = eims.ids.filter((eimId) => eimId !== state.reportTo);
    const enabledIccid = state.rolledBack ? (state.fromIccid ?? null) : outcome?.change?.iccid;
    await journal.update({
      operation: undefined,
      outbox: state.reported || seqNumber !== undefined ? journal.content.outbox : [...journal.content.outbox, ...this.#unsent(state)],
      stateChanges: changed ? journal.changesFor(others, "otherEim") : journal.content.stateChanges,
      ...(enabledIccid === undefined ? {} : { enabledIccid }),
    });
    if (seqNumber !== undefined && !state.reported) keepResult(this.#context, seqNumber, order.eimId, false);
    if (order.touchesProfiles) await refreshProfiles(this.#context, this.#signal);
    if (order.changesEims) {
      await euicc.withEuicc("eIMs", (es10) => eims.read(es10), this.#signal);
      await this.#context.tell({ kind: "eim.changed", eimIds: eims.ids });
    }
    return undefined;
  }

  /** An answer that the card does not keep, for the outbox. */
  #unsent(state: PackageState): readonly { readonly eimId: string; readonly message: string }[] {
    try {
      const client = this.#client(state);
      const result = this.#result ?? (state.result === undefined ? undefined : fromBase64(state.result));
      const message =
        state.undefinedError === true || result === undefined
          ? client.encodeResult(errorAnswer(state.order))
          : client.encodeResult({ kind: "euiccPackageResult", result, notifications: [] });
      return [{ eimId: state.reportTo, message: toBase64(message) }];
    } catch {
      // There is no such eIM any more.
      return [];
    }
  }

  #euicc<T>(why: string, use: (es10: Es10) => Promise<T>): Promise<T> {
    return this.#context.euicc.withEuicc(why, use, this.#signal);
  }
}

/** Brings the module onto what the card shows now, and tells how that went. Answers whether it is online. */
export async function adoptProfile(
  context: IpaContext,
  iccid: string | undefined,
  refreshPending: boolean,
  signal: AbortSignal | undefined,
  isEmergencyProfile = false,
): Promise<boolean> {
  const { ports, options, euicc, tell } = context;
  const startMs = ports.clock.monotonicMs();
  const deadlineMs = options.onlineTimeoutMs;
  let online = false;
  try {
    const job = (inner: AbortSignal): Promise<"online" | "offline"> =>
      ports.connectivity.adopt({ iccid, refreshPending, deadlineMs, isEmergencyProfile, signal: inner });
    online = (await within(ports.clock, deadlineMs + adoptGraceMs, "change of profile", job, signal)) === "online";
  } catch (error) {
    signal?.throwIfAborted();
    await tell({ kind: "warning", where: "change of profile", error: errorReport(error) });
  }
  euicc.forgetCard();
  const durationMs = ports.clock.monotonicMs() - startMs;
  await tell({ kind: online ? "profile.online" : "profile.offline", iccid, durationMs });
  return online;
}

function errorAnswer(order: PackageOrder): {
  readonly kind: "error";
  readonly eimTransactionId: Uint8Array | undefined;
  readonly code: "undefinedError";
} {
  const eimTransactionId = order.eimTransactionId === undefined ? undefined : new Uint8Array(Buffer.from(order.eimTransactionId, "hex"));
  return { kind: "error", eimTransactionId, code: "undefinedError" };
}

function journaled(result: Uint8Array): string | undefined {
  return result.length <= maxJournalBytes ? toBase64(result) : undefined;
}

/** The card said no, or was never asked: it has not carried the package out and will not. */
function isSure(error: SimwardError): boolean {
  return isCode(error, "APDU_STATUS", "ES10_UNSUPPORTED", "ES10_TOO_LONG", "PACKAGE_FORMAT");
}
