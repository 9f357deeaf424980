// The vehicle's life as the local API has it: what is shown, ordered, assumed on a bench, and told by the vehicle.
import { toHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { LifecycleReport, LifecycleTest } from "../api/types.ts";
import type { AuditEvent } from "../audit/types.ts";
import { signatureOf } from "../imei-lock/token.ts";
import type { Challenges } from "../keys/challenges.ts";
import type { KeyRing } from "../keys/ring.ts";
import type { Stage } from "../policy/types.ts";
import type { ApiCaller } from "../trust.ts";
import { type Authority, stagesAfter, type TriggerStanding, type VehicleNews } from "./machine.ts";
import type { Assumed, Lifecycle } from "./service.ts";
import { stageTokenOctets } from "./token.ts";

/** What the routes call. */
export interface LifecycleActs {
  lifecycle(): Promise<LifecycleReport>;
  /** Throws LIFECYCLE_REFUSED, API_FORBIDDEN, TOKEN_REFUSED, EMERGENCY_ACTIVE. */
  setStage(
    who: ApiCaller,
    order: { readonly stage: Stage; readonly reason: string; readonly token?: string | undefined },
  ): Promise<LifecycleReport>;
  /** Throws LIFECYCLE_REFUSED, EMERGENCY_ACTIVE. */
  transfer(who: ApiCaller, order: { readonly reason: string }): Promise<LifecycleReport>;
  testTrigger(assumed: Assumed): LifecycleTest;
  tellVehicle(who: ApiCaller, news: VehicleNews): Promise<LifecycleReport>;
}

const purpose = "lifecycle";

export function createLifecycleActs(parts: {
  readonly life: Lifecycle;
  readonly keys: Pick<KeyRing, "signerOf">;
  readonly challenges: Challenges;
  readonly identity: () => { readonly imei: string | undefined; readonly eid: string | undefined };
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
}): LifecycleActs {
  const { life, keys, challenges, identity, audit } = parts;

  const octetsFor = (to: Stage, challenge: string): Uint8Array | undefined => {
    const { imei, eid = "" } = identity();
    return imei === undefined ? undefined : stageTokenOctets({ challenge, eid, imei, to });
  };

  const report = async (): Promise<LifecycleReport> => {
    const { stage, sinceMs, cause, reason, ignition, odometerKm } = life.state;
    const { usedBytes, capBytes } = life.facts;
    const { wipe } = life;
    const after = stagesAfter(stage);
    const hasToken = life.standings().some(({ trigger }) => trigger.kind === "token");
    const challenge = hasToken ? await challenges.current(purpose) : undefined;
    const signs = challenge === undefined ? [] : after.flatMap((to) => signLine(to, octetsFor(to, challenge)));
    return {
      schema: "simward/lifecycle/1",
      stage,
      since: new Date(sinceMs).toISOString(),
      cause,
      reason,
      ...(usedBytes === undefined ? {} : { usedBytes }),
      ...(capBytes === undefined ? {} : { capBytes }),
      ...(ignition === null ? {} : { ignition }),
      ...(odometerKm === null ? {} : { odometerKm }),
      next: life.standings().map(shown),
      ...(challenge === undefined ? {} : { challenge }),
      ...(signs.length === 0 ? {} : { signs: Object.fromEntries(signs) }),
      ...(wipe === undefined
        ? {}
        : {
            wipe: { kind: wipe.kind, by: wipe.how, phase: wipe.phase, left: wipe.left, undelivered: wipe.undelivered, checks: wipe.checks },
          }),
    };
  };

  /** Answers who has signed it; the challenge is used up then, durably. */
  const authorityOf = async (who: ApiCaller, to: Stage, token: string | undefined, data: AuditEvent["data"]): Promise<Authority> => {
    const cause = `operator:${who.peer?.uid ?? "unknown"}`;
    if (token === undefined) return { kind: "command", role: who.role, cause };
    const challenge = await challenges.current(purpose);
    const octets = octetsFor(to, challenge);
    if (octets === undefined) throw new SimwardError("MODEM_ABSENT", { detail: "the IMEI is not known yet" });
    const signer = keys.signerOf("commands", octets, signatureOf(token));
    const isGood = signer !== undefined && (await challenges.use(purpose, challenge));
    if (isGood) return { kind: "token", cause: `token:${signer}` };
    const reason = "no commands key of the key ring has signed this stage for what is shown now";
    await audit({ event: "lifecycle.tokenRefused", cause, data: { ...data, to, challenge, reason } });
    throw new SimwardError("TOKEN_REFUSED", { detail: reason });
  };

  const dataOf = ({ role, peer }: ApiCaller): Readonly<Record<string, string | number | null>> => ({
    role,
    uid: peer?.uid ?? null,
    pid: peer?.pid ?? null,
  });

  return {
    lifecycle: report,
    async setStage(who, { stage: to, reason, token }) {
      const data = dataOf(who);
      const asker = `operator:${who.peer?.uid ?? "unknown"}`;
      // A token is good once: not for what would be refused whoever signed it.
      if (token !== undefined) await life.wouldTake({ to, by: { kind: "token", cause: asker }, reason, data });
      const by = await authorityOf(who, to, token, { ...data, reason });
      await life.order({ to, by, reason, data });
      return report();
    },
    async transfer(who, { reason }) {
      const by: Authority = { kind: "command", role: who.role, cause: `operator:${who.peer?.uid ?? "unknown"}` };
      await life.transfer({ by, reason, data: dataOf(who) });
      return report();
    },
    testTrigger(assumed) {
      const { standings, effects } = life.test(assumed);
      const moved = effects.find((effect) => effect.do === "moved");
      return {
        schema: "simward/lifecycle-test/1",
        from: assumed.stage ?? life.state.stage,
        ...(moved === undefined ? {} : { to: moved.to, trigger: moved.trigger, reason: moved.reason }),
        next: standings.map(shown),
      };
    },
    async tellVehicle(who, news) {
      await life.tell(news, `operator:${who.peer?.uid ?? "unknown"}`);
      return report();
    },
  };
}

function signLine(to: Stage, octets: Uint8Array | undefined): readonly (readonly [Stage, string])[] {
  return octets === undefined ? [] : [[to, toHex(octets)]];
}

function shown({ to, trigger, holds, words, spent, open }: TriggerStanding): LifecycleReport["next"][number] {
  const note = spent ? "; it has been overruled" : open ? "" : "; not by itself from this stage";
  return { stage: to, trigger: trigger.text, holds: holds && !spent && open, words: `${words}${note}` };
}
