// Signal by the family's ways in turn, choice of operator, causes of failure, the operator's configuration, and a module's own LPA.
import { isCode } from "../../../base/errors.ts";
import * as network from "../../commands/network.ts";
import { chosenByIccid, mbnAutoSel, mbnList, readUmnoprof, umnoprofNames } from "../../commands/profile.ts";
import { cpsiIndexes, cpsiUnits, qcsq, rfsts, xmonitor } from "../../commands/signal.ts";
import type { AtCommand, AtPort } from "../../engine/types.ts";
import type { FailureCause, ModemOps, ModemQuirks, OperatorProfile, OperatorProfileWay, SignalWay } from "../../family.ts";
import type { OperatorFound } from "../../modem.ts";
import { ratOf } from "../../registration.ts";
import type { Rat, SignalQuality } from "../../types.ts";
import { definedOnly, orUndefined } from "./common.ts";

type NetworkOps = Pick<ModemOps, "signal" | "failureCause" | "operator" | "selectOperator" | "scan" | "operatorProfile" | "ownLpa">;

const copsModes = ["automatic", "manual", "deregistered"] as const;
const copsStats = ["unknown", "available", "current", "forbidden"] as const;

export function networkOps(quirks: ModemQuirks): NetworkOps {
  return {
    async signal(port) {
      let found: SignalQuality = {};
      for (const way of quirks.signal) {
        // What a way in front says more exactly is not replaced by what stands behind it.
        found = { ...(await orUndefined(readSignal(port, way))), ...found };
        if (found.rsrpDbm !== undefined && found.rsrqDb !== undefined) break;
      }
      if (found.rssiDbm !== undefined) return found;
      return definedOnly({ rssiDbm: network.rssiDbm((await port.send(network.csq)).rssi), ...found });
    },
    async failureCause(port) {
      const text = await orUndefined(port.send(network.ceer));
      return text === undefined ? undefined : parseCause(text);
    },
    async operator(port) {
      const { mode, format, operator, act } = await port.send(network.readCops);
      return {
        // 4, manual then automatic, has become automatic when its operator was not there.
        mode: mode === 4 ? "manual" : (copsModes[mode] ?? "automatic"),
        plmn: format === 2 ? operator : undefined,
        rat: ratOf(act, quirks.rats),
      };
    },
    selectOperator: (port, plmn, rat) =>
      plmn === undefined ? port.send(network.setCopsAutomatic) : port.send(network.setCopsManual, plmn, actOf(rat, quirks.rats)),
    async scan(port) {
      const patient = port.with({ timeoutMs: quirks.scanMs });
      // Some firmware answers the first ones with ERROR at once.
      for (let left = quirks.scanTries - 1; ; left--) {
        try {
          return (await patient.send(network.testCops)).map(found);
        } catch (error) {
          if (left <= 0 || !isCode(error, "AT_ERROR")) throw error;
        }
      }
    },
    operatorProfile: async (port) => (quirks.operatorProfile === undefined ? undefined : profileWays[quirks.operatorProfile](port)),
    async ownLpa(port) {
      for (const { command, isOn, remedy } of quirks.ownLpa) {
        const answer = await orUndefined(port.send(command));
        if (answer !== undefined) return { command: command.name, on: isOn(answer), remedy };
      }
      return undefined;
    },
  };
}

function found({ plmn, longName, shortName, stat, act }: network.CopsEntry): OperatorFound {
  return { plmn, name: longName || shortName, status: copsStats[stat] ?? "unknown", act };
}

const signalCommands: Readonly<Record<Exclude<SignalWay, "cesq">, AtCommand<readonly [], SignalQuality>>> = {
  qcsq,
  "cpsi-units": cpsiUnits,
  "cpsi-indexes": cpsiIndexes,
  rfsts,
  xmonitor,
};

async function readSignal(port: AtPort, way: SignalWay): Promise<SignalQuality> {
  if (way !== "cesq") return port.send(signalCommands[way]);
  const { rsrp, rsrq } = await port.send(network.cesq);
  return definedOnly({ rsrpDbm: network.rsrpDbm(rsrp), rsrqDb: network.rsrqDb(rsrq) });
}

const profileWays: Readonly<Record<OperatorProfileWay, (port: AtPort) => Promise<OperatorProfile | undefined>>> = {
  async qmbncfg(port) {
    const list = await orUndefined(port.send(mbnList));
    const active = list?.find(({ activated }) => activated)?.name;
    const automatic = await orUndefined(port.send(mbnAutoSel));
    return active === undefined && automatic === undefined ? undefined : { name: active ?? "none", automatic };
  },
  async umnoprof(port) {
    const number = await orUndefined(port.send(readUmnoprof));
    if (number === undefined) return undefined;
    return { name: umnoprofNames[number] ?? `profile ${number}`, automatic: number === chosenByIccid };
  },
};

/** <AcT> of a technology as the family numbers it. */
export function actOf(rat: Rat | undefined, departures: Readonly<Record<number, Rat>>): number | undefined {
  if (rat === undefined) return undefined;
  const own = Object.keys(departures).findLast((act) => departures[Number(act)] === rat);
  return own === undefined ? standardActs[rat] : Number(own);
}

/** 3GPP TS 27.007 §7.3. */
const standardActs: Readonly<Record<Rat, number>> = { gsm: 0, utran: 2, lte: 7, "lte-m": 7, "nb-iot": 9 };

/** `"EMM cause",15,"No suitable cells …"` says which cause; other texts are shown as they are. */
function parseCause(text: string): FailureCause {
  const found = /\b(EMM|ESM|SM) cause"?\s*,\s*(\d+)/i.exec(text);
  if (found === null) return { text, kind: undefined, cause: undefined };
  return { text, kind: found[1]?.toUpperCase() === "EMM" ? "emm" : "esm", cause: Number(found[2]) };
}
