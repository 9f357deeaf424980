// The software package executor: what an SGP.32 eUICC does with eUICC packages, done by simward on a consumer eUICC (SGP.22). It stands in the link to
// the card: functions of SGP.32 it answers itself, all others go through. Every step is durable before the card is touched, so a power cut repeats nothing.

import { swappedBcdToDigits, toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { decode, encode, type Type } from "../asn1/schema.ts";
import { Es10, type Es10Link, euiccMemoryResetConsumer, getEuiccInfo1 } from "../euicc/es10.ts";
import type { IpaEvents } from "../events.ts";
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
  Sgp32EuiccMemoryResetRequest,
  Sgp32EuiccMemoryResetResponse,
} from "../messages/eim-config.ts";
import { ProfileRollbackRequest, ProfileRollbackResponse } from "../messages/es10.ts";
import { NotificationSentRequest, NotificationSentResponse } from "../messages/notifications.ts";
import {
  EuiccPackageResult,
  EuiccResultData,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from "../messages/package.ts";
import type { Eid } from "../procedures/card.ts";
import { fromBase64, toBase64 } from "../procedures/journal.ts";
import { enableLocally, readLocalProfiles } from "../procedures/local-es10c.ts";
import { addInitialEims, type CiKeys, configurationOf, runEco } from "./eims.ts";
import { incorrectData, isAsn1, judge, type Operation, type Order, operationsOf } from "./frame.ts";
import type { CardMemory, ConsumerMemory, Execution, Rollback } from "./memory.ts";
import { enableResult, isChanging, isDone, resultOfDone, runChanging, runOther } from "./psmos.ts";
import { firstResultNumber, isResultNumber, resultOf, signedErrorOf, unsignedErrorOf } from "./results.ts";

/** Longer lists of results end with resultSizeOverflow. */
const maxResultBytes = 16 * 1024;

export interface ExecutorParts {
  readonly memory: ConsumerMemory;
  readonly eid: Eid;
  readonly clock: Clock;
  readonly events: IpaEvents;
  /** REFRESH by the card after the last change of a package. */
  readonly refreshFlag: boolean;
  /** An emergency call is under way: packages are answered with ecallActive. */
  readonly ecallActive?: (() => boolean) | undefined;
}

/** Inside: the same card without the executor. */
type Handler = (command: Uint8Array, inside: Es10, through: () => Promise<Uint8Array>) => Promise<Uint8Array>;

export class PackageExecutor {
  readonly #parts: ExecutorParts;
  readonly #ciKeys: CiKeys;
  readonly #handlers: Readonly<Record<number, Handler>>;

  private constructor(parts: ExecutorParts, ciKeys: CiKeys) {
    this.#parts = parts;
    this.#ciKeys = ciKeys;
    // One row a function of SGP.32 that a consumer eUICC does not have, or has without package results.
    this.#handlers = {
      48977: (command, inside) => this.#loadEuiccPackage(command, inside),
      48981: (command) => this.#getEimConfigurationData(command),
      48983: (command) => this.#addInitialEim(command),
      48984: (command, inside) => this.#profileRollback(command, inside),
      48996: (command, inside) => this.#memoryReset(command, inside),
      48939: (command, inside, through) => this.#retrieveNotificationsList(command, inside, through),
      48944: (command, _inside, through) => this.#removeNotificationFromList(command, through),
    };
  }

  /** `es10`: the card itself. Throws what the card's refusal is. */
  static async open(parts: ExecutorParts, es10: Es10): Promise<PackageExecutor> {
    const { euiccCiPKIdListForSigning } = await es10.call(getEuiccInfo1, {});
    return new PackageExecutor(parts, euiccCiPKIdListForSigning);
  }

  get card(): CardMemory {
    return this.#parts.memory.card;
  }

  wrap(link: Es10Link): Es10Link {
    const { clock, events } = this.#parts;
    const inside = new Es10(link, clock, events);
    return {
      get refreshPending() {
        return link.refreshPending;
      },
      exchange: (command, idempotent) => {
        const through = (): Promise<Uint8Array> => link.exchange(command, idempotent);
        const handler = this.#handlers[tagOf(command)];
        return handler === undefined ? through() : handler(command, inside, through);
      },
    };
  }

  /** The first eIMs out of the configuration: once in the life of a card. Answers whether they were put in. Throws ES10_REFUSED. */
  async initialise(request: AddInitialEimRequest): Promise<boolean> {
    if (this.card.initialised || this.card.eims.length > 0) return false;
    const { response } = addInitialEims(this.card, request, this.#ciKeys);
    if (response.kind === "addInitialEimError")
      throw new SimwardError("ES10_REFUSED", {
        detail: `AddInitialEim: ${response.value}`,
        data: { function: "ES10b.AddInitialEim", error: String(response.value) },
      });
    await this.#parts.memory.update((card) => addInitialEims(card, request, this.#ciKeys).card);
    return true;
  }

  // --- ES10b.LoadEuiccPackage (SGP.32 §5.9.1) -----------------------------------------------------------------------------------

  async #loadEuiccPackage(command: Uint8Array, inside: Es10): Promise<Uint8Array> {
    await this.#settle(inside);
    const { eid, ecallActive } = this.#parts;
    const judgement = judge(command, this.card, { eid: eid.bytes, ecallActive: ecallActive?.() === true });
    switch (judgement.kind) {
      case "errorUnsigned":
        return unsignedErrorOf(judgement.order, judgement.associationToken);
      case "errorSigned":
        return signedErrorOf(judgement.order, judgement.code);
      case "execute":
        return this.#execute(judgement.order, inside);
    }
  }

  async #execute(order: Order, inside: Es10): Promise<Uint8Array> {
    const operations = operationsOf(order);
    const changesProfile = operations.some((one) => one?.list === "psmo" && (one.psmo.kind === "enable" || one.psmo.kind === "disable"));
    const counterValue = Number(order.counterValue);
    const execution: Execution = {
      eimId: order.eimId,
      counterValue,
      eimTransactionId: order.eimTransactionId === undefined ? undefined : toHex(order.eimTransactionId),
      results: [],
    };
    // From here on the same package is a replay, whatever becomes of this one.
    await this.#parts.memory.update(({ rollback, ...card }) => ({
      ...card,
      ...(changesProfile ? {} : { rollback }),
      eims: card.eims.map((eim) => (eim.eimId === order.eimId ? { ...eim, counterValue } : eim)),
      execution,
    }));
    const done = new Set<string>();
    for (const [index, operation] of operations.entries()) {
      if (!(await this.#carryOut(operation, inside, done, index === operations.length - 1))) break;
    }
    return this.#finish();
  }

  /** Answers whether the package goes on after it. */
  async #carryOut(operation: Operation | undefined, inside: Es10, done: Set<string>, isLast: boolean): Promise<boolean> {
    if (operation === undefined) return this.#terminate("unknownOrDamagedCommand");
    if (operation.list === "eco") {
      const { card, result } = runEco(this.card, operation.eco, this.#ciKeys);
      return this.#note(encode(EuiccResultData, result), () => card);
    }
    const { psmo } = operation;
    if (!isChanging(psmo)) {
      if (psmo.kind === "listProfileInfo" && ["enable", "disable", "delete"].some((kind) => done.has(kind))) {
        const value = { kind: "profileInfoListError", value: "profileChangeOngoing" } as const;
        await this.#note(encode(EuiccResultData, { kind: "listProfileInfoResult", value }));
        return this.#terminate("unknownOrDamagedCommand");
      }
      const result = await runOther(inside, psmo);
      return result === undefined ? this.#terminate("undefinedError") : this.#note(result);
    }
    // One enable and one disable a package (SGP.32 §3.3.1).
    if (psmo.kind !== "delete" && done.has(psmo.kind))
      return this.#note(
        encode(EuiccResultData, { kind: psmo.kind === "enable" ? "enableResult" : "disableResult", value: "undefinedError" }),
      );
    const profiles = await readLocalProfiles(inside);
    const iccid = swappedBcdToDigits(psmo.value.iccid);
    const enabled = profiles.find((one) => one.enabled)?.iccid;
    const wantsWayBack = psmo.kind === "enable" && psmo.value.rollbackFlag === true;
    if (wantsWayBack && enabled === undefined) return this.#note(enableResult("rollbackNotAvailable"));
    const { rollback } = this.card;
    if (psmo.kind === "delete" && rollback !== undefined && rollback.toIccid === iccid)
      return this.#note(encode(EuiccResultData, { kind: "deleteResult", value: "rollbackNotAvailable" }));
    // What is not changed leaves no trace of having been tried: `done` holds what may have changed the card.
    const wayBack: Rollback | undefined = wantsWayBack && enabled !== undefined ? { toIccid: enabled } : undefined;
    await this.#parts.memory.update((card) => ({
      ...card,
      ...(wayBack === undefined ? {} : { rollback: wayBack }),
      ...withExecution(card, (execution) => ({ ...execution, begun: { kind: psmo.kind, iccid } })),
    }));
    const refreshFlag = isLast && this.#parts.refreshFlag;
    const result = await runChanging(inside, psmo, profiles, refreshFlag).catch((error: unknown) =>
      this.#lookedUp(inside, psmo.kind, iccid, error),
    );
    const ok = isOk(result);
    if (ok) done.add(psmo.kind);
    // A way back from what was not enabled is none.
    return this.#note(result, wayBack === undefined || ok ? undefined : ({ rollback: _none, ...card }) => card);
  }

  /** The answer was lost. If the card tells how it stands, that is the result; else nothing is known until it does. */
  async #lookedUp(inside: Es10, kind: string, iccid: string | undefined, lost: unknown): Promise<Uint8Array> {
    const profiles = await readLocalProfiles(inside).catch(() => undefined);
    if (profiles !== undefined && isDone(kind, iccid, profiles)) return resultOfDone(kind);
    throw lost;
  }

  /** The result of an operation, together with what it changes in the card's memory. Answers whether there is room for more. */
  async #note(result: Uint8Array, change: (card: CardMemory) => CardMemory = (card) => card): Promise<boolean> {
    const before = this.card.execution?.results.reduce((sum, one) => sum + fromBase64(one).length, 0) ?? 0;
    if (before + result.length > maxResultBytes) {
      // Done it is, though its result does not fit.
      await this.#parts.memory.update((card) => change(card));
      return this.#terminate("resultSizeOverflow");
    }
    await this.#parts.memory.update((card) => withResult(change(card), result));
    return true;
  }

  async #terminate(value: "resultSizeOverflow" | "unknownOrDamagedCommand" | "interruption" | "undefinedError"): Promise<false> {
    await this.#parts.memory.update((card) => withResult(card, encode(EuiccResultData, { kind: "processingTerminated", value })));
    return false;
  }

  /** Keeps the result until it is acknowledged, and answers it. */
  async #finish(): Promise<Uint8Array> {
    const { execution, resultCounter } = this.card;
    if (execution === undefined) throw new SimwardError("INTERNAL", { detail: "a package ended that was not begun" });
    const seqNumber = firstResultNumber + resultCounter;
    const tlv = resultOf(execution, seqNumber);
    await this.#tellUnsigned(execution, seqNumber);
    await this.#parts.memory.update(({ execution: _ended, rollback, ...card }) => ({
      ...card,
      resultCounter: resultCounter + 1,
      results: [...card.results, { seqNumber, tlv: toBase64(tlv) }],
      // The rollback that this package allowed learns which result it would replace.
      rollback: rollback === undefined || rollback.seqNumber !== undefined ? rollback : { ...rollback, execution, seqNumber },
    }));
    return tlv;
  }

  /** Told before it is written: at a power cut between the two it is told twice rather than never. */
  async #tellUnsigned({ eimId, counterValue, eimTransactionId }: Execution, seqNumber: number): Promise<void> {
    await this.#parts.events.emit({ kind: "package.unsigned", eimId, eimTransactionId, counterValue: String(counterValue), seqNumber });
  }

  /** What a power cut, or a card that fell silent, left open is brought to its end: what was done is reported, with the interruption behind it. */
  async #settle(inside: Es10): Promise<void> {
    const { execution, rollback } = this.card;
    if (execution !== undefined) {
      const { begun } = execution;
      if (begun !== undefined && isDone(begun.kind, begun.iccid, await readLocalProfiles(inside)))
        await this.#parts.memory.update((card) => withResult(card, resultOfDone(begun.kind)));
      else if (begun?.kind === "enable") await this.#parts.memory.update(({ rollback: _none, ...card }) => card);
      await this.#terminate("interruption");
      await this.#finish();
    }
    if (rollback?.begun === true) {
      const profiles = await readLocalProfiles(inside);
      if (isDone("enable", rollback.toIccid, profiles)) await this.#rolledBack(rollback);
      else await this.#parts.memory.update((card) => ({ ...card, rollback: { ...rollback, begun: undefined } }));
    }
  }

  // --- ES10b.ProfileRollback (SGP.32 §3.3.2, §5.9.16) ---------------------------------------------------------------------------

  async #profileRollback(command: Uint8Array, inside: Es10): Promise<Uint8Array> {
    const { refreshFlag } = read(ProfileRollbackRequest, command);
    await this.#settle(inside);
    const { rollback } = this.card;
    if (rollback?.execution === undefined) return encode(ProfileRollbackResponse, { cmdResult: "rollbackNotAllowed" });
    const target = (await readLocalProfiles(inside)).find(({ iccid }) => iccid === rollback.toIccid);
    if (target === undefined) return encode(ProfileRollbackResponse, { cmdResult: "commandError" });
    await this.#parts.memory.update((card) => ({ ...card, rollback: { ...rollback, begun: true } }));
    const code = await enableLocally(inside, target, refreshFlag);
    if (code !== "ok") {
      await this.#parts.memory.update((card) => ({ ...card, rollback: { ...rollback, begun: undefined } }));
      return encode(ProfileRollbackResponse, { cmdResult: code === "catBusy" ? "catBusy" : "commandError" });
    }
    const tlv = await this.#rolledBack(rollback);
    return encode(ProfileRollbackResponse, { cmdResult: "ok", eUICCPackageResult: decode(EuiccPackageResult, tlv) });
  }

  /** The package's result with the rollback's at its end takes the place of the first. */
  async #rolledBack({ execution, seqNumber: replaced }: Rollback): Promise<Uint8Array> {
    if (execution === undefined) throw new SimwardError("INTERNAL", { detail: "a rollback of a package that has no result" });
    const seqNumber = firstResultNumber + this.card.resultCounter;
    const result = toBase64(encode(EuiccResultData, { kind: "rollbackResult", value: "ok" }));
    const tlv = resultOf({ ...execution, results: [...execution.results, result] }, seqNumber);
    await this.#tellUnsigned(execution, seqNumber);
    await this.#parts.memory.update(({ rollback: _done, ...card }) => ({
      ...card,
      resultCounter: card.resultCounter + 1,
      results: [...card.results.filter((one) => one.seqNumber !== replaced), { seqNumber, tlv: toBase64(tlv) }],
    }));
    return tlv;
  }

  // --- the eIMs ---------------------------------------------------------------------------------------------------------------

  async #getEimConfigurationData(command: Uint8Array): Promise<Uint8Array> {
    const wanted = read(GetEimConfigurationDataRequest, command).searchCriteria?.value;
    const eims = this.card.eims.filter(({ eimId }) => wanted === undefined || eimId === wanted);
    return encode(GetEimConfigurationDataResponse, { eimConfigurationDataList: eims.map(configurationOf) });
  }

  async #addInitialEim(command: Uint8Array): Promise<Uint8Array> {
    const request = read(AddInitialEimRequest, command);
    const { card, response } = addInitialEims(this.card, request, this.#ciKeys);
    if (response.kind === "addInitialEimOk") await this.#parts.memory.update(() => card);
    return encode(AddInitialEimResponse, response);
  }

  /** BF64: profiles and default address by the card's own BF34, eIMs here. */
  async #memoryReset(command: Uint8Array, inside: Es10): Promise<Uint8Array> {
    const { resetOptions } = read(Sgp32EuiccMemoryResetRequest, command);
    await this.#settle(inside);
    const onCard = (["deleteOperationalProfiles", "deleteFieldLoadedTestProfiles", "resetDefaultSmdpAddress"] as const).filter((one) =>
      resetOptions.includes(one),
    );
    const { resetResult } =
      onCard.length === 0 ? { resetResult: "ok" as const } : await inside.call(euiccMemoryResetConsumer, { resetOptions: onCard });
    if (resetResult !== "ok" && resetResult !== "nothingToDelete") return encode(Sgp32EuiccMemoryResetResponse, { resetResult });
    const wantsEims = resetOptions.includes("resetEimConfigData");
    const hadEims = this.card.eims.length > 0;
    await this.#parts.memory.update(({ rollback: _gone, ...card }) => (wantsEims ? { ...card, eims: [], initialised: true } : card));
    return encode(Sgp32EuiccMemoryResetResponse, {
      resetResult,
      resetEimResult: wantsEims ? (hadEims ? "ok" : "nothingToDelete") : undefined,
      resetImmediateEnableConfigResult: resetOptions.includes("resetImmediateEnableConfig") ? "resetIECNotSupported" : undefined,
    });
  }

  // --- stored results ---------------------------------------------------------------------------------------------------------

  async #retrieveNotificationsList(command: Uint8Array, inside: Es10, through: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const criteria = read(RetrieveNotificationsListRequest, command).searchCriteria;
    const isOurs = criteria?.kind === "euiccPackageResults" || (criteria?.kind === "seqNumber" && isResultNumber(criteria.value));
    if (!isOurs) return through();
    await this.#settle(inside);
    const found = this.card.results.filter(
      ({ seqNumber }) => criteria.kind !== "seqNumber" || BigInt(criteria.value) === BigInt(seqNumber),
    );
    const value = found.map(({ tlv }) => decode(EuiccPackageResult, fromBase64(tlv)));
    return encode(RetrieveNotificationsListResponse, { kind: "euiccPackageResultList", value });
  }

  async #removeNotificationFromList(command: Uint8Array, through: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const { seqNumber } = read(NotificationSentRequest, command);
    if (!isResultNumber(seqNumber)) return through();
    const known = this.card.results.some((one) => BigInt(one.seqNumber) === BigInt(seqNumber));
    if (known)
      await this.#parts.memory.update((card) => ({
        ...card,
        results: card.results.filter((one) => BigInt(one.seqNumber) !== BigInt(seqNumber)),
      }));
    return encode(NotificationSentResponse, { deleteNotificationStatus: known ? "ok" : "nothingToDelete" });
  }
}

function withExecution(card: CardMemory, change: (execution: Execution) => Execution): Pick<CardMemory, "execution"> {
  return { execution: card.execution === undefined ? undefined : change(card.execution) };
}

/** The operation that was begun is done, and this came of it. */
function withResult(card: CardMemory, result: Uint8Array): CardMemory {
  return {
    ...card,
    ...withExecution(card, ({ begun: _done, ...execution }) => ({ ...execution, results: [...execution.results, toBase64(result)] })),
  };
}

function isOk(result: Uint8Array): boolean {
  return result.at(-1) === 0 && result.length === 3;
}

function tagOf(command: Uint8Array): number {
  const [first = 0, second = 0] = command;
  return (first & 0x1f) === 0x1f ? (first << 8) | second : first;
}

/** Throws APDU_STATUS 6A80, as a card answers what it cannot read. */
function read<T>(type: Type<T>, command: Uint8Array): T {
  try {
    return decode(type, command);
  } catch (error) {
    throw isAsn1(error) ? incorrectData() : error;
  }
}
