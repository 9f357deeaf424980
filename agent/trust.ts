// The fleet's keys and the IMEI lock in their place: opened from the state directory, told to policy, served to the local API.
import type { Modem } from "../at-drivers/modem.ts";
import type { Clock } from "../base/clock.ts";
import type { Disk } from "../base/disk.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Es10 } from "../ipa/euicc/es10.ts";
import type { Ipa } from "../ipa/ipa.ts";
import { readEid } from "../ipa/procedures/card.ts";
import { isPassive } from "../ipa/procedures/card-class.ts";
import type { Alarms } from "./alarms.ts";
import type { PeerCredentials } from "./api/peer.ts";
import type { ImeiLockReport, KeyRingReport, Role } from "./api/types.ts";
import type { AuditEvent } from "./audit/types.ts";
import type { Identity } from "./imei-lock/judge.ts";
import { type ImeiLock, type Orderer, openImeiLock } from "./imei-lock/lock.ts";
import type { LockAct } from "./imei-lock/token.ts";
import { type Challenges, openChallenges } from "./keys/challenges.ts";
import { type KeyRing, openKeyRing } from "./keys/ring.ts";
import { type VerifyingKey, verifyingKeys } from "./keys/signature.ts";
import type { PolicyEngine } from "./policy/engine.ts";

export interface TrustParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** After an act of a person. Never rejects. */
  readonly acted: (act: string) => Promise<void>;
  readonly engine: PolicyEngine;
  /** PEM; undefined where no root is configured. */
  readonly rootKeys: string | undefined;
  /** Asks module and card. */
  readonly identity: () => Promise<Identity>;
}

/** Who orders something through the local API. */
export interface ApiCaller {
  readonly role: Role;
  readonly peer: PeerCredentials | undefined;
}

/** What the routes call. */
export interface TrustActs {
  imeiLock(): Promise<ImeiLockReport>;
  pairImei(who: ApiCaller, order: { readonly vin?: string | undefined; readonly reason: string }): Promise<ImeiLockReport>;
  obeyImeiLock(
    who: ApiCaller,
    act: LockAct,
    order: { readonly token: string; readonly reason?: string | undefined },
  ): Promise<ImeiLockReport>;
  keys(): KeyRingReport;
  installKeys(
    who: ApiCaller,
    order: { readonly ring: string; readonly signature: string; readonly reason: string },
  ): Promise<KeyRingReport>;
}

export interface Trust extends TrustActs {
  readonly ring: KeyRing;
  readonly challenges: Challenges;
  readonly lock: ImeiLock;
  stop(): Promise<void>;
}

/** Throws DISK_READ. What is damaged is an alarm, and begun anew. */
export async function createTrust(parts: TrustParts): Promise<Trust> {
  const { disk, clock, random, log, alarms, audit, engine } = parts;
  const lost = (why: SimwardError): void => {
    alarms.raise("trust", why);
    log.error("keys and IMEI lock", { error: why });
    void audit({ event: "trust.lost", cause: "start", data: { code: why.code, reason: why.message } });
  };
  const ring = await openKeyRing(disk, rootsOf(parts.rootKeys, lost), lost);
  const challenges = await openChallenges(disk, random, lost);
  const lock = await openImeiLock({ disk, clock, log, keys: ring, challenges, audit, identity: parts.identity, onLost: lost });
  // Before the module has answered: what was known before a restart holds.
  await engine.update({ lock: lock.facts });
  const stopListening = lock.onChange((facts) => void engine.update({ lock: facts }));
  lock.start();

  const keysReport = (): KeyRingReport => {
    const { version, issued, note, ...others } = ring.status();
    return {
      schema: "simward/keys/1",
      ...others,
      ...(version === undefined ? {} : { version }),
      ...(issued === undefined ? {} : { issued }),
      ...(note === undefined ? {} : { note }),
    };
  };
  const lockReport = async (): Promise<ImeiLockReport> => {
    const { pairing, found, signs, ...others } = await lock.show();
    return {
      schema: "simward/imei-lock/1",
      ...others,
      ...(pairing === undefined ? {} : { pairing }),
      ...(found === undefined ? {} : { found }),
      ...(signs === undefined ? {} : { signs }),
    };
  };

  return {
    ring,
    challenges,
    lock,
    imeiLock: lockReport,
    async pairImei(who, order) {
      await lock.pair(ordererOf(who), order).finally(() => parts.acted("imeiLock.paired"));
      return lockReport();
    },
    async obeyImeiLock(who, act, order) {
      await lock.obey(ordererOf(who), act, order).finally(() => parts.acted(`imeiLock.${act}`));
      return lockReport();
    },
    keys: keysReport,
    async installKeys(who, { ring: text, signature, reason }) {
      const { by, data } = ordererOf(who);
      try {
        const outcome = await ring.install(text, new Uint8Array(Buffer.from(signature, "base64")));
        const { version = null, keys } = ring.status();
        const named = keys.map(({ id, purpose }) => `${purpose} ${id}`);
        await audit({ event: "keys.installed", cause: by, data: { ...data, reason, outcome, version, keys: named } });
        alarms.clear("trust");
        return { ...keysReport(), outcome };
      } catch (error) {
        if (error instanceof SimwardError)
          await audit({ event: "keys.refused", cause: by, data: { ...data, reason, code: error.code, why: error.message } });
        throw error;
      } finally {
        await parts.acted("keys.install");
      }
    },
    async stop() {
      stopListening();
      await lock.stop();
    },
  };
}

/** A root that cannot be read is an alarm: without it no ring is believed. */
function rootsOf(pem: string | undefined, lost: (why: SimwardError) => void): readonly VerifyingKey[] {
  if (pem === undefined) return [];
  if (pem === "") {
    lost(
      new SimwardError("KEYS_NO_ROOT", {
        detail: "the file that keys.root names could not be read, or is empty; the daemon's log says why",
      }),
    );
    return [];
  }
  try {
    return verifyingKeys(pem, "keys.root");
  } catch (error) {
    if (error instanceof SimwardError) lost(error);
    return [];
  }
}

function ordererOf({ role, peer }: ApiCaller): Orderer {
  return { by: `operator:${peer?.uid ?? "unknown"}`, data: { role, uid: peer?.uid ?? null, pid: peer?.pid ?? null } };
}

/** What module and card say now. A card without an EID is one; a card that does not answer is unknown, and that throws. */
export async function identityOf(parts: {
  readonly modem: Pick<Modem, "imei" | "iccid" | "status">;
  readonly ipa: Pick<Ipa, "status">;
  readonly askCard: <T>(why: string, use: (es10: Es10) => Promise<T>) => Promise<T>;
  readonly signal: AbortSignal;
}): Promise<Identity> {
  const { modem, ipa, signal } = parts;
  const imei = await modem.imei(signal);
  const { card, eid } = ipa.status();
  if (card === undefined) throw new SimwardError("BUSY", { detail: "the card has not been read yet" });
  const read = async (): Promise<string | undefined> => {
    if (isPassive(card.kind)) return eid;
    try {
      return (await parts.askCard("IMEI lock", readEid)).digits;
    } catch (error) {
      if (isCode(error, "CARD_NOT_EUICC")) return undefined;
      throw error;
    }
  };
  const found = await read();
  // Without an enabled profile a card tells no ICCID.
  const iccid = await modem.iccid(signal).catch((error: unknown) => {
    if (found === undefined) throw error;
    return undefined;
  });
  return { imei, eid: found, iccid };
}
