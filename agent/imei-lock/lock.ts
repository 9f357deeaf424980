// The IMEI lock: device and card are paired in production, and looked at ever after. What it finds is a fact for policy; what it is ordered is signed.
import { array, fallback, nullable, object, optional, parse, picklist, string } from "valibot";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { Challenges } from "../keys/challenges.ts";
import type { KeyRing } from "../keys/ring.ts";
import type { LockFacts } from "../policy/types.ts";
import { openState, type StateStore } from "../state/store.ts";
import { flawOf } from "./imei.ts";
import { type Identity, judge, type LockRecord, noPairing, type Pairing, withProfile } from "./judge.ts";
import { type LockAct, type LockOrder, signatureOf, signedOctets } from "./token.ts";

export interface ImeiLockStatus {
  readonly state: LockFacts["state"];
  readonly differs: LockFacts["differs"];
  readonly pairing: Pairing | undefined;
  /** Undefined until module and card were asked. */
  readonly found: Identity | undefined;
  /** For a token: hex. */
  readonly challenge: string;
  /** What a token of each act would sign, hex. */
  readonly signs: { readonly [A in LockAct]: string } | undefined;
}

export interface PairOrder {
  readonly vin?: string | undefined;
  readonly reason: string;
}

export interface TokenOrder {
  readonly token: string;
  readonly reason?: string | undefined;
}

/** Who, for the audit trail: "operator:<uid>" and the role. */
export interface Orderer {
  readonly by: string;
  readonly data: Readonly<Record<string, string | number | null>>;
}

export interface ImeiLock {
  readonly facts: LockFacts;
  /** Asks module and card now. Resolves with what is known after; a module that does not answer leaves what was known. */
  check(why: string): Promise<LockFacts>;
  /** Asks them first. Throws DISK_WRITE. */
  show(): Promise<ImeiLockStatus>;
  /** The first pairing of this device. `already` when it is the same. Throws IMEI_LOCK, MODEM_ABSENT. */
  pair(who: Orderer, order: PairOrder): Promise<"paired" | "already">;
  /** Throws TOKEN_REFUSED, IMEI_LOCK, MODEM_ABSENT. */
  obey(who: Orderer, act: LockAct, order: TokenOrder): Promise<LockFacts>;
  /** Whenever the facts change; called when `facts` is already so. */
  onChange(fn: (facts: LockFacts) => void): Disposer;
  start(): void;
  stop(): Promise<void>;
}

export interface ImeiLockOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly keys: KeyRing;
  readonly challenges: Challenges;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** Asks module and card. Throws when either does not answer. */
  readonly identity: () => Promise<Identity>;
  readonly onLost?: (why: SimwardError) => void;
}

const hourMs = 3_600_000;
const purpose = "imei-lock";

// --- what is kept ------------------------------------------------------------------------------------------------------------------

interface Kept extends LockRecord {
  /** As last judged: a restart goes on with it until module and card have answered. */
  readonly facts: LockFacts;
}

const digits = nullable(string());
const keptSchema = object({
  pairing: nullable(
    object({ imei: string(), eid: digits, iccids: array(string()), vin: digits, pairedAt: string(), by: string(), reason: string() }),
  ),
  unlocked: nullable(object({ imei: string(), eid: digits })),
  facts: fallback(
    object({
      state: picklist(["unpaired", "match", "mismatch", "unlocked"]),
      differs: optional(array(picklist(["imei", "eid", "iccid"])), []),
    }),
    noPairing,
  ),
});

function keptOf(value: unknown): Kept {
  const { pairing, unlocked, facts } = parse(keptSchema, value);
  const known = <T extends { readonly eid: string | null }>(one: T) => ({ ...one, eid: one.eid ?? undefined });
  return {
    pairing: pairing === null ? undefined : { ...known(pairing), vin: pairing.vin ?? undefined },
    unlocked: unlocked === null ? undefined : known(unlocked),
    facts,
  };
}

/** JSON knows no undefined. */
function storable(kept: Kept): object {
  return JSON.parse(JSON.stringify(kept, (_key, value: unknown) => (value === undefined ? null : value))) as object;
}

function openKept(disk: Disk, onLost: (why: SimwardError) => void): Promise<StateStore<object>> {
  return openState<object>({
    ...{ disk, name: "imei-lock", version: 1, onLost },
    initial: storable({ pairing: undefined, unlocked: undefined, facts: noPairing }),
    parse: (value) => storable(keptOf(value)),
  });
}

// --- what is done ------------------------------------------------------------------------------------------------------------------

/** Takes up what was known before a restart. Throws DISK_READ. */
export async function openImeiLock(options: ImeiLockOptions): Promise<ImeiLock> {
  const { clock, log, keys, challenges, audit } = options;
  const store = await openKept(options.disk, options.onLost ?? (() => undefined));
  const work = new Queue();
  const listeners = new Set<(facts: LockFacts) => void>();
  const kept = (): Kept => keptOf(store.get());
  let facts = kept().facts;
  let found: Identity | undefined;
  let cancelHourly: Disposer = () => {};

  const save = (change: Partial<Kept>): Promise<void> => store.update((before) => storable({ ...keptOf(before), ...change }));

  /** In force at once; noted and audited after. A disk that refuses does not keep the gate open. */
  const adopt = async (next: LockFacts, why: string): Promise<void> => {
    const before = facts;
    if (before.state === next.state && before.differs.join() === next.differs.join()) return;
    facts = next;
    for (const listener of [...listeners]) listener(next);
    await store.hold((before) => storable({ ...keptOf(before), facts: next }));
    const { pairing } = kept();
    const identities = {
      imei: found?.imei ?? null,
      pairedImei: pairing?.imei ?? null,
      eid: found?.eid ?? null,
      pairedEid: pairing?.eid ?? null,
    };
    const data = { why, from: before.state, to: next.state, differs: next.differs, iccid: found?.iccid ?? null, ...identities };
    await audit({ event: `imeiLock.${next.state}`, cause: "module", data });
  };

  const look = async (why: string): Promise<Identity> => {
    const identity = await options.identity();
    found = identity;
    const { pairing } = kept();
    const grown = pairing === undefined ? undefined : withProfile(pairing, identity);
    if (grown !== pairing) {
      await save({ pairing: grown });
      await audit({ event: "imeiLock.profileAdded", cause: "card", data: { iccid: identity.iccid ?? null, eid: identity.eid ?? null } });
    }
    await adopt(judge(kept(), identity), why);
    return identity;
  };

  const check = (why: string, isAsked = false): Promise<LockFacts> =>
    work.run(async () => {
      // Nothing to compare with: module and card are left in peace.
      if (kept().pairing === undefined && !isAsked) return facts;
      try {
        await look(why);
      } catch (error) {
        // Nothing is known then, and what was known stays.
        log.debug("the IMEI lock could not be checked", { why, error: asSimwardError(error) });
      }
      return facts;
    });

  const orderOf = (act: LockAct, challenge: string, identity: Identity): LockOrder => ({
    ...{ act, challenge, newImei: identity.imei },
    eid: identity.eid ?? "",
    oldImei: kept().pairing?.imei ?? "",
  });

  const refuse = async (who: Orderer, act: LockAct, challenge: string, reason: string): Promise<never> => {
    const data = { ...who.data, act, reason, challenge, imei: found?.imei ?? null };
    await audit({ event: "imeiLock.tokenRefused", cause: who.by, data });
    throw new SimwardError("TOKEN_REFUSED", { detail: reason });
  };

  const carryOut = async (who: Orderer, act: LockAct, { token, reason = "" }: TokenOrder): Promise<LockFacts> => {
    const identity = await look(`imei-lock ${act}`);
    const { pairing } = kept();
    if (pairing === undefined) throw new SimwardError("IMEI_LOCK", { detail: "nothing is paired yet: simward imei-lock pair" });
    if (act === "unlock" && facts.state !== "mismatch")
      throw new SimwardError("IMEI_LOCK", { detail: `there is nothing to unlock: ${facts.state}` });
    const challenge = await challenges.current(purpose);
    if (!keys.has("unlock")) return refuse(who, act, challenge, "the key ring has no key for unlocking");
    const signer = keys.signerOf("unlock", signedOctets(orderOf(act, challenge, identity)), signatureOf(token));
    if (signer === undefined) return refuse(who, act, challenge, "no unlock key of the key ring has signed this act for what is shown now");
    // Before the effect: a cut in between costs the token, and never lets it be used twice.
    if (!(await challenges.use(purpose, challenge))) return refuse(who, act, challenge, "the challenge was used meanwhile");
    const by = `token:${signer}`;
    const data = {
      ...who.data,
      reason,
      keyId: signer,
      challenge,
      oldImei: pairing.imei,
      newImei: identity.imei,
      eid: identity.eid ?? null,
    };
    if (act === "unlock") await save({ unlocked: { imei: identity.imei, eid: identity.eid } });
    else await save({ pairing: pairingOf(identity, { by, reason, vin: pairing.vin }), unlocked: undefined });
    await audit({ event: act === "unlock" ? "imeiLock.unlockOrdered" : "imeiLock.repaired", cause: who.by, data });
    await adopt(judge(kept(), identity), `imei-lock ${act}`);
    return facts;
  };

  const pairingOf = (
    identity: Identity,
    how: { readonly by: string; readonly reason: string; readonly vin: string | undefined },
  ): Pairing => ({
    imei: identity.imei,
    eid: identity.eid,
    iccids: identity.iccid === undefined ? [] : [identity.iccid],
    pairedAt: new Date(clock.now()).toISOString(),
    ...how,
  });

  return {
    get facts() {
      return facts;
    },
    check: (why) => check(why),
    async show() {
      await check("imei-lock show", true);
      const challenge = await challenges.current(purpose);
      const signs = (act: LockAct, identity: Identity): string =>
        Buffer.from(signedOctets(orderOf(act, challenge, identity))).toString("hex");
      return {
        ...facts,
        pairing: kept().pairing,
        found,
        challenge,
        signs: found === undefined ? undefined : { unlock: signs("unlock", found), repair: signs("repair", found) },
      };
    },
    pair: (who, { vin, reason }) =>
      work.run(async () => {
        const identity = await look("imei-lock pair");
        const { pairing } = kept();
        if (pairing !== undefined) {
          const isSame = facts.state === "match" && (vin === undefined || vin === pairing.vin);
          if (isSame) return "already";
          throw new SimwardError("IMEI_LOCK", { detail: "it is paired already; simward imei-lock repair, with a token, pairs it anew" });
        }
        // A pairing is for good: without a token nobody takes it back.
        if (flawOf(identity.imei) !== undefined)
          throw new SimwardError("IMEI_LOCK", {
            detail: "the module has no IMEI of its own, or one with a wrong check digit: simward doctor --factory",
          });
        await save({ pairing: pairingOf(identity, { by: who.by, reason, vin }), unlocked: undefined });
        const { imei, eid = null, iccid = null } = identity;
        await audit({ event: "imeiLock.paired", cause: who.by, data: { ...who.data, reason, imei, eid, iccid, vin: vin ?? null } });
        await adopt(judge(kept(), identity), "imei-lock pair");
        return "paired";
      }),
    obey: (who, act, order) => work.run(() => carryOut(who, act, order)),
    onChange(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    start() {
      cancelHourly = clock.every(hourMs, () => void check("hourly"));
    },
    async stop() {
      cancelHourly();
      await work.idle();
    },
  };
}
