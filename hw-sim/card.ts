// The built-in eUICC without a vehicle around it, for other people's readers, modules and programs: `simward-sim card`.
// It leaves the factory with the scenario's bootstrap profile and without an eIM; whoever fits it makes theirs known (AddInitialEim).
import { type Clock, SystemClock } from "../base/clock.ts";
import { type Log, silentLog } from "../base/log.ts";
import { soleGuest } from "./card-socket/guest.ts";
import { type CardService, type CardServiceOption, serveCard } from "./card-socket/serve.ts";
import { type CardRoleName, cardRoles } from "./euicc/roles.ts";
import type { VirtualEuicc } from "./euicc/types.ts";
import { identityOf, makeEuicc } from "./factory.ts";
import { openIdentity } from "./identity.ts";
import { type Curve, createPki, openPki } from "./pki/pki.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { defaultScenario } from "./scenarios/table.ts";
import { noState, openState } from "./state.ts";

export interface CardOptions {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly scenario?: Scenario;
  readonly pkiDir?: string;
  readonly identityDir?: string;
  readonly curve?: Curve;
  readonly stateDir?: string;
  readonly eid?: string;
  /** sgp32 by default. */
  readonly cardRole?: CardRoleName;
  readonly services: readonly CardServiceOption[];
}

/** The line that `simward-sim card` prints when it can be used. */
export interface CardReadyLine {
  readonly schema: "simward-sim/card/1";
  /** "vpcd:127.0.0.1:35963", "tcp:127.0.0.1:4000", "http:http://127.0.0.1:8080/apdu" */
  readonly services: readonly string[];
  /** null when its certificates come from --identity. */
  readonly pkiDir: string | null;
  readonly card: CardRoleName;
  /** null: a card without ECASD has none. */
  readonly eid: string | null;
}

export interface LoneCard {
  readonly ready: CardReadyLine;
  readonly euicc: VirtualEuicc;
  close(): Promise<void>;
}

/** Throws SIM_OPTION, SIM_PKI. */
export async function createCard(options: CardOptions): Promise<LoneCard> {
  const { clock = new SystemClock(), log = silentLog, scenario = defaultScenario, identityDir, pkiDir, eid, curve } = options;
  const wanted = { clock, ...(eid === undefined ? {} : { eid }), ...(curve === undefined ? {} : { curve }) };
  const identity =
    identityDir === undefined
      ? identityOf(pkiDir === undefined ? createPki(wanted) : await openPki(pkiDir, wanted))
      : await openIdentity(identityDir, eid);
  const state = options.stateDir === undefined ? noState : openState(options.stateDir);
  const euicc = makeEuicc({
    clock,
    identity,
    state,
    scenario,
    eims: [],
    ...(options.cardRole === undefined ? {} : { role: options.cardRole }),
  });
  const services: CardService[] = [];
  const close = async (): Promise<void> => {
    for (const service of services.splice(0)) await service.close();
  };
  try {
    for (const option of options.services) services.push(await serveCard(soleGuest(euicc), option, clock, log));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ready: {
      schema: "simward-sim/card/1",
      services: services.map(({ kind, address }) => `${kind}:${address}`),
      pkiDir: identityDir === undefined ? (pkiDir ?? null) : null,
      card: euicc.role,
      eid: cardRoles[euicc.role].domains.length === 0 ? null : euicc.eid,
    },
    euicc,
    close,
  };
}
