// PSM and eDRX: asked for, read back, and what the network granted of it.
import { readRegistrations, setRegistrationReports } from "../../commands/network.ts";
import {
  decodeActiveTime,
  decodeEdrxCycle,
  decodePagingWindow,
  decodePeriodicTau,
  type EdrxLine,
  encodeActiveTime,
  encodeEdrxCycle,
  encodePeriodicTau,
  readCedrxrdp,
  readCedrxs,
  readCpsms,
  setCedrxs,
  setCpsms,
} from "../../commands/power.ts";
import type { AtPort } from "../../engine/types.ts";
import type { Edrx, ModemOps, ModemQuirks, PsmTimers } from "../../family.ts";
import { orUndefined } from "./common.ts";
import { unchanged } from "./radio.ts";

type PowerOps = Pick<ModemOps, "powerSaving" | "setPowerSaving" | "edrx" | "setEdrx">;

const written = { changed: true, needsReset: false } as const;

export function powerOps(quirks: ModemQuirks): PowerOps {
  return {
    async powerSaving(port) {
      const read = await orUndefined(port.send(readCpsms));
      if (read === undefined) return undefined;
      const enabled = read.mode === 1;
      return {
        enabled,
        requested: timers(read.tau, read.active),
        granted: enabled ? await granted(port, quirks) : undefined,
      };
    },
    async setPowerSaving(port, wanted) {
      const present = await orUndefined(port.send(readCpsms));
      if (wanted === undefined) {
        // A module without the command has no PSM to switch off.
        if (present === undefined || present.mode !== 1) return unchanged;
        await port.send(setCpsms, undefined, "");
        return written;
      }
      const tau = encodePeriodicTau(wanted.periodicTauSeconds);
      const active = encodeActiveTime(wanted.activeSeconds);
      // The same time can be said in several units.
      const isSo =
        decodePeriodicTau(present?.tau ?? "") === decodePeriodicTau(tau) &&
        decodeActiveTime(present?.active ?? "") === decodeActiveTime(active);
      if (present?.mode === 1 && isSo) return unchanged;
      await port.send(setCpsms, tau, active);
      return written;
    },
    async edrx(port) {
      const requested = await orUndefined(port.send(readCedrxs));
      const provided = await orUndefined(port.send(readCedrxrdp));
      if (requested === undefined && provided === undefined) return undefined;
      const inUse = provided?.find(({ granted: cycle }) => cycle !== undefined && cycle !== "");
      return {
        requested: (requested ?? []).map((line) => edrxOf(line.rat, line.requested, undefined)),
        granted: inUse === undefined ? undefined : edrxOf(inUse.rat, inUse.granted, inUse.window),
      };
    },
    async setEdrx(port, rat, cycleSeconds) {
      const present = await orUndefined(port.send(readCedrxs));
      const line = present?.find((one) => one.rat === rat);
      const cycle = cycleSeconds === undefined ? undefined : encodeEdrxCycle(rat, cycleSeconds);
      if (present !== undefined && line?.requested === cycle) return unchanged;
      await port.send(setCedrxs, rat, cycle);
      return { changed: true, needsReset: quirks.edrxNeedsReset };
    },
  };
}

/** By the family's own command, else by +CEREG, which shows the timers while its reports say so (3GPP TS 27.007 §10.1.22, <n> 4 and 5). */
async function granted(port: AtPort, quirks: ModemQuirks): Promise<PsmTimers | undefined> {
  if (quirks.grantedPsm !== undefined) {
    const told = await orUndefined(port.send(quirks.grantedPsm));
    if (told !== undefined) return told;
  }
  const read = readRegistrations["+CEREG"];
  const now = await orUndefined(port.send(read));
  if (now?.activeTime !== undefined || now?.n === undefined) return told(now);
  for (const n of [5, 4]) {
    if ((await orUndefined(port.send(setRegistrationReports, "+CEREG", n).then(() => true))) === undefined) continue;
    try {
      return told(await orUndefined(port.send(read)));
    } finally {
      await port.send(setRegistrationReports, "+CEREG", now.n);
    }
  }
  return undefined;
}

function told(
  line: { readonly activeTime: string | undefined; readonly periodicTau: string | undefined } | undefined,
): PsmTimers | undefined {
  const found = timers(line?.periodicTau, line?.activeTime);
  // A network that refuses PSM grants no active time.
  return found.activeSeconds === undefined ? undefined : found;
}

function timers(tau: string | undefined, active: string | undefined): PsmTimers {
  return { periodicTauSeconds: decodePeriodicTau(tau ?? ""), activeSeconds: decodeActiveTime(active ?? "") };
}

function edrxOf(rat: EdrxLine["rat"], cycle: string | undefined, window: string | undefined): Edrx {
  return { rat, cycleSeconds: decodeEdrxCycle(cycle ?? ""), pagingWindowSeconds: decodePagingWindow(rat, window ?? "") };
}
