// What a person beside the vehicle may order of the eUICC: all of a local profile assistant on a consumer eUICC (SGP.22 §3.2); on an IoT eUICC the same as
// long as no eIM is associated (SGP.32 §3.4), and what that leaves afterwards.

import { iccidToBytes } from "../../base/bytes.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import { addInitialEim, type Es10, euiccMemoryReset, euiccMemoryResetConsumer, type ResultCode, setNickname } from "../euicc/es10.ts";
import type { DeliveryOutcome } from "../ipa.ts";
import { localOrder, type ProfileOrderOutcome } from "../machines/profile-order.ts";
import type { AddInitialEimRequest, Sgp32EuiccMemoryResetRequest } from "../messages/eim-config.ts";
import { readNotifications, type StoredNotification } from "./card.ts";
import type { IpaContext } from "./context.ts";
import { deferred } from "./emergency.ts";
import { downloadLocally, type LocalDownload } from "./local-download.ts";
import { deleteLocally, type LocalProfile, readLocalProfiles } from "./local-es10c.ts";
import { orderProfile } from "./local-order.ts";
import { targetOf } from "./local-target.ts";
import { deliverNotifications } from "./notifications.ts";
import { adoptProfile, refreshProfiles } from "./package.ts";
import type { Slot } from "./slot.ts";

export interface LocalChange {
  readonly profile: LocalProfile;
  /** already: it was so before, and nothing was done. */
  readonly outcome: "online" | "offline" | "already" | "done";
}

export type ResetOption = Sgp32EuiccMemoryResetRequest["resetOptions"][number] & string;

export interface LocalAssistant {
  /** Read from the card now. */
  profiles(signal?: AbortSignal): Promise<readonly LocalProfile[]>;
  /**
   * Enables a profile and waits for its network; one that finds none gives way to the former one again. Throws NOT_FOUND, API_INPUT, CARD_EIM_MANAGED,
   * ES10_REFUSED, PROFILE_NOT_ONLINE, EMERGENCY_ACTIVE.
   */
  enable(target: string, signal?: AbortSignal): Promise<LocalChange>;
  /** Leaves no profile enabled. Throws the same. */
  disable(target: string, signal?: AbortSignal): Promise<LocalChange>;
  /** `check` is told in the same turn what is on the card, and throws what forbids it. */
  delete(
    target: string,
    signal?: AbortSignal,
    check?: (profile: LocalProfile, profiles: readonly LocalProfile[]) => void | Promise<void>,
  ): Promise<LocalChange>;
  /** An empty one takes the nickname away. */
  nickname(target: string, nickname: string, signal?: AbortSignal): Promise<LocalChange>;
  /** Installs a profile; it stays disabled. */
  download(
    codes: { readonly activationCode: string; readonly confirmationCode?: string | undefined },
    signal?: AbortSignal,
  ): Promise<LocalDownload>;
  notifications(signal?: AbortSignal): Promise<readonly StoredNotification[]>;
  /** One round now, also to receivers that are left alone for a while. */
  deliver(signal?: AbortSignal): Promise<DeliveryOutcome>;
  /** Answers the result codes by their names. Throws ES10_REFUSED, ES10_UNSUPPORTED. */
  memoryReset(options: readonly ResetOption[], signal?: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Answers the eIMs associated now. Throws ES10_REFUSED, CARD_NOT_SGP32. */
  addInitialEim(request: AddInitialEimRequest, signal?: AbortSignal): Promise<readonly string[]>;
}

export interface LocalHost {
  readonly slot: Slot;
  /** Waits its turn, reads the card if need be, and lets nothing else at it meanwhile. Throws BUSY, CARD_… */
  run<T>(job: (context: IpaContext, signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T>;
}

export function createLocalAssistant({ slot, run }: LocalHost): LocalAssistant {
  const read = (context: IpaContext, signal: AbortSignal): Promise<readonly LocalProfile[]> =>
    context.euicc.withEuicc("profiles", readLocalProfiles, signal);
  const find = async (context: IpaContext, target: string, signal: AbortSignal): Promise<LocalProfile> =>
    targetOf(await read(context, signal), target);

  const change = (target: string, enable: boolean, outer: AbortSignal | undefined): Promise<LocalChange> =>
    run(async (context, signal) => {
      refuseIfManaged(context, slot);
      await calm(context, enable ? "profile enable" : "profile disable");
      const profiles = await read(context, signal);
      const profile = targetOf(profiles, target);
      if (profile.enabled === enable) return { profile, outcome: "already" };
      const from = profiles.find(({ enabled }) => enabled)?.iccid ?? null;
      const { outcome, code, error } = await orderProfile(context, from, enable ? profile.iccid : null, signal);
      if (error !== undefined) throw error;
      return {
        profile: { ...profile, enabled: enable },
        outcome: judged(outcome, code, enable ? "ES10c.EnableProfile" : "ES10c.DisableProfile"),
      };
    }, outer);

  return {
    profiles: (outer) => run(read, outer),
    enable: (target, outer) => change(target, true, outer),
    disable: (target, outer) => change(target, false, outer),
    delete: (target, outer, check) =>
      run(async (context, signal) => {
        refuseIfManaged(context, slot);
        const profiles = await read(context, signal);
        const profile = targetOf(profiles, target);
        await check?.(profile, profiles);
        const code = await context.euicc.withEuicc("profile delete", (es10) => deleteLocally(es10, profile), signal);
        if (code !== "ok") throw refusal("ES10c.DeleteProfile", code);
        await context.tell({ kind: "profile.deleted", iccid: profile.iccid, eimId: localOrder });
        await context.journal.update({ stateChanges: context.journal.changesFor(context.eims.ids, "local") });
        await refreshProfiles(context, signal);
        return { profile, outcome: "done" };
      }, outer),
    nickname: (target, nickname, outer) =>
      run(async (context, signal) => {
        const profile = await find(context, target, signal);
        const request = { iccid: iccidToBytes(profile.iccid), profileNickname: nickname };
        await context.euicc.withEuicc("profile nickname", (es10) => es10.carryOut(setNickname, request), signal);
        return { profile: { ...profile, nickname: nickname === "" ? undefined : nickname }, outcome: "done" };
      }, outer),
    download: (codes, outer) =>
      run(async (context, signal) => {
        await calm(context, "profile download");
        return downloadLocally(context, codes, signal);
      }, outer),
    notifications: (outer) =>
      run((context, signal) => context.euicc.withEuicc("notifications", (es10) => readNotifications(es10), signal), outer),
    deliver: (outer) =>
      run((context, signal) => {
        const { receivers } = context.memory;
        for (const [receiver, known] of receivers) receivers.set(receiver, { ...known, untilMs: 0 });
        return deliverNotifications(context, signal);
      }, outer),
    memoryReset: (options, outer) =>
      run(async (context, signal) => {
        await calm(context, "eUICCMemoryReset");
        const former = enabledOf(await read(context, signal));
        let refreshPending = false;
        const results = await context.euicc.withEuicc(
          "eUICCMemoryReset",
          async (es10) => {
            const answer = await reset(es10, options, slot.hasNoEims);
            refreshPending = es10.refreshPending;
            return answer;
          },
          signal,
        );
        const now = enabledOf(await read(context, signal));
        if (now !== former) await adoptProfile(context, now, refreshPending, signal);
        await context.euicc.withEuicc("eIMs", (es10) => context.eims.read(es10), signal);
        await context.journal.update({
          stateChanges: context.journal.changesFor(context.eims.ids, "reset"),
          enabledIccid: now ?? null,
        });
        await refreshProfiles(context, signal);
        return results;
      }, outer),
    addInitialEim: (request, outer) =>
      run(async (context, signal) => {
        if (slot.hasNoEims)
          throw new SimwardError("CARD_NOT_SGP32", {
            detail: "it is a consumer eUICC; eim.on_consumer_euicc = true has an eIM obeyed on it",
          });
        await context.euicc.withEuicc(
          "AddInitialEim",
          async (es10) => {
            await es10.carryOut(addInitialEim, request);
            await context.eims.read(es10);
          },
          signal,
        );
        await context.tell({ kind: "eim.changed", eimIds: context.eims.ids });
        return context.eims.ids;
      }, outer),
  };
}

/** Once an eIM is associated it alone manages the profiles of an SGP.32 eUICC (SGP.32 §3.4). */
function refuseIfManaged({ eims }: IpaContext, { card }: Slot): void {
  if (card?.kind === "sgp32-ipad" && eims.ids.length > 0) throw new SimwardError("CARD_EIM_MANAGED", { detail: eims.ids.join(", ") });
}

/** Throws EMERGENCY_ACTIVE. */
async function calm(context: IpaContext, what: string): Promise<void> {
  const held = await deferred(context, what);
  if (held !== undefined) throw held;
}

function judged(outcome: ProfileOrderOutcome, code: string | undefined, name: string): "online" | "offline" {
  switch (outcome) {
    case "online":
    case "offline":
      return outcome;
    case "returned":
      throw new SimwardError("PROFILE_NOT_ONLINE", { detail: "the former profile is enabled again" });
    case "stranded":
      throw new SimwardError("PROFILE_NOT_ONLINE", { detail: `and the former one could not be enabled again: ${code}` });
    case "refused":
    case "unknown":
      throw refusal(name, code ?? "undefinedError");
  }
}

function refusal(name: string, code: ResultCode): SimwardError {
  return new SimwardError("ES10_REFUSED", { detail: `${name}: ${code}`, data: { function: name, error: String(code) } });
}

function enabledOf(profiles: readonly LocalProfile[]): string | undefined {
  return profiles.find(({ enabled }) => enabled)?.iccid;
}

const consumerOptions = ["deleteOperationalProfiles", "deleteFieldLoadedTestProfiles", "resetDefaultSmdpAddress"] as const;

/** BF64 where it is known, else SGP.22's BF34. Throws what cannot be reset on such a card, before anything is. */
async function reset(es10: Es10, options: readonly ResetOption[], isConsumer: boolean): Promise<Readonly<Record<string, string>>> {
  if (!isConsumer) {
    try {
      return named(await es10.call(euiccMemoryReset, { resetOptions: options }));
    } catch (error) {
      if (!isCode(error, "ES10_UNSUPPORTED")) throw asSimwardError(error);
    }
  }
  const beyond = options.filter((one) => !consumerOptions.some((known) => known === one));
  if (beyond.length > 0)
    throw new SimwardError("ES10_UNSUPPORTED", { detail: `${beyond.join(", ")}: not a part of SGP.22's eUICCMemoryReset` });
  const resetOptions = consumerOptions.filter((one) => options.includes(one));
  return named(await es10.call(euiccMemoryResetConsumer, { resetOptions }));
}

/** Every code that is not as good as done is the card's refusal. */
function named(response: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const codes = Object.entries(response).flatMap(([name, code]) => (code === undefined ? [] : [[name, String(code)] as const]));
  const bad = codes.find(([, code]) => code !== "ok" && code !== "nothingToDelete");
  if (bad !== undefined) throw refusal("eUICCMemoryReset", `${bad[0]} ${bad[1]}`);
  return Object.fromEntries(codes);
}
