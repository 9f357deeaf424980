// One registration out of what +CEREG, +CGREG, +CREG and +COPS say. Pure.
import type { OperatorChoice as CopsReply, RegistrationCommand, RegistrationLine } from "./commands/network.ts";
import type { Rat, Registration, RegistrationStatus } from "./types.ts";

/** 3GPP TS 27.007 §10.1.22. SMS only is no registration for data; 9 and 10 are registered, with voice elsewhere. */
const statuses: Readonly<Record<number, RegistrationStatus>> = {
  0: "idle",
  1: "home",
  2: "searching",
  3: "denied",
  4: "unknown",
  5: "roaming",
  8: "emergency",
  9: "home",
  10: "roaming",
  11: "emergency",
};

/** <AcT>, 3GPP TS 27.007 §7.3. */
const rats: Readonly<Record<number, Rat>> = {
  0: "gsm",
  1: "gsm",
  2: "utran",
  3: "gsm",
  4: "utran",
  5: "utran",
  6: "utran",
  7: "lte",
  9: "nb-iot",
};

export function statusOf(stat: number): RegistrationStatus {
  return statuses[stat] ?? "unknown";
}

export function ratOf(act: number | undefined, departures: Readonly<Record<number, Rat>>): Rat | undefined {
  return act === undefined ? undefined : (departures[act] ?? rats[act]);
}

export function isRegistered(registration: Registration): boolean {
  return registration.status === "home" || registration.status === "roaming";
}

/** Best first: packet service decides, LTE before the rest; circuit switched counts only where the module has nothing else. */
const usefulness: readonly RegistrationStatus[] = ["home", "roaming", "emergency", "denied", "searching", "idle", "unknown"];

export function combineRegistration(
  lines: Readonly<Partial<Record<RegistrationCommand, RegistrationLine>>>,
  cops: CopsReply | undefined,
  departures: Readonly<Record<number, Rat>>,
): Registration {
  const packet = [lines["+CEREG"], lines["+CGREG"]].filter((line) => line !== undefined);
  const candidates = packet.length > 0 ? packet : [lines["+CREG"]].filter((line) => line !== undefined);
  const rank = (line: RegistrationLine): number => usefulness.indexOf(statusOf(line.stat));
  const best = candidates.reduce<RegistrationLine | undefined>((a, b) => (a === undefined || rank(b) < rank(a) ? b : a), undefined);
  if (best === undefined) return { status: "unknown" };
  const found = fromLine(best, departures);
  if (!isRegistered(found)) return cops?.mode === 2 ? { ...found, isToldToLeave: true } : found;
  const plmn = cops?.format === 2 && /^\d{5,6}$/.test(cops.operator ?? "") ? cops.operator : undefined;
  const rat = found.rat ?? ratOf(cops?.act, departures);
  return { ...found, ...(plmn === undefined ? {} : { plmn }), ...(rat === undefined ? {} : { rat }) };
}

/** What one line says; location and technology only while registered, where modules do not leave old ones standing. */
export function fromLine(line: RegistrationLine, departures: Readonly<Record<number, Rat>>): Registration {
  const status = statusOf(line.stat);
  const rat = ratOf(line.act, departures);
  // Cause type 0 is the standard's own; 1 is the maker's (3GPP TS 27.007 §10.1.22).
  const rejectCause = line.causeType === 0 && line.rejectCause !== 0 ? line.rejectCause : undefined;
  const located = status === "home" || status === "roaming" || status === "emergency";
  return {
    status,
    ...(located && rat !== undefined ? { rat } : {}),
    ...(located && line.tac !== undefined ? { tac: line.tac } : {}),
    ...(located && line.cellId !== undefined ? { cellId: line.cellId } : {}),
    ...(rejectCause === undefined ? {} : { rejectCause }),
  };
}

export function sameRegistration(a: Registration, b: Registration): boolean {
  return (
    a.status === b.status &&
    a.rat === b.rat &&
    a.plmn === b.plmn &&
    a.tac === b.tac &&
    a.cellId === b.cellId &&
    a.rejectCause === b.rejectCause
  );
}
