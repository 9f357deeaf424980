// What is to be written so that the module's radio is as the configuration wants it, pure: wanted and read in, writes out. What is so already is never
// written again: on many modules that alone deregisters.
import type { Bands, EdrxState, PowerSaving, PsmTimers, RadioAccess } from "../../at-drivers/family.ts";
import type { Rat } from "../../at-drivers/types.ts";

/** As the configuration names technologies: what a module is sold as. */
export const ratChoices = ["lte-m", "cat-1bis", "nb-iot", "utran", "gsm"] as const;
export type RatChoice = (typeof ratChoices)[number];

export interface RadioWish {
  /** Most preferred first; what the module has no part in is passed over. undefined: left alone, as below. */
  readonly rats: readonly RatChoice[] | undefined;
  readonly bands: Bands | undefined;
  readonly psm: "off" | PsmTimers | undefined;
  /** 0: off. */
  readonly edrxSeconds: number | undefined;
}

export interface RadioReading {
  readonly access: RadioAccess | undefined;
  /** What the family can choose, each most preferred first. */
  readonly modes: readonly (readonly Rat[])[];
  readonly bands: Bands | undefined;
  readonly powerSaving: PowerSaving | undefined;
  readonly edrx: EdrxState | undefined;
}

export type RadioWrite =
  | { readonly kind: "access"; readonly rats: readonly Rat[]; readonly before: readonly Rat[] | undefined }
  | { readonly kind: "bands"; readonly bands: Bands; readonly before: Bands }
  | { readonly kind: "psm"; readonly timers: PsmTimers | undefined; readonly before: PsmTimers | undefined }
  | {
      readonly kind: "edrx";
      readonly rat: "lte-m" | "nb-iot";
      readonly cycleSeconds: number | undefined;
      readonly before: number | undefined;
    };

export interface RadioPlan {
  readonly writes: readonly RadioWrite[];
  /** What is wanted and cannot be had of this module, in words. */
  readonly unable: readonly string[];
}

const ratOfChoice: Readonly<Record<RatChoice, Rat>> = {
  "lte-m": "lte-m",
  "cat-1bis": "lte",
  "nb-iot": "nb-iot",
  utran: "utran",
  gsm: "gsm",
};

export function choiceOfRat(rat: Rat): RatChoice {
  return rat === "lte" ? "cat-1bis" : rat;
}

/** Why NB-IoT is nothing for what moves. */
export const noHandover = "NB-IoT has no handover: a moving vehicle loses its connection at each cell border";

export function planRadio(wish: RadioWish, read: RadioReading): RadioPlan {
  const parts = [planAccess(wish, read), planBands(wish, read), planPsm(wish, read), planEdrx(wish, read)];
  return { writes: parts.flatMap(({ writes }) => writes), unable: parts.flatMap(({ unable }) => unable) };
}

const nothing: RadioPlan = { writes: [], unable: [] };

function planAccess({ rats }: RadioWish, { access, modes }: RadioReading): RadioPlan {
  if (rats === undefined) return nothing;
  if (access === undefined) return { writes: [], unable: ["technologies: the module tells nothing of them"] };
  const best = fittingRats(rats, modes);
  if (best === undefined) return { writes: [], unable: [`technologies: none of ${rats.join(", ")} can be chosen on this module`] };
  if (access.rats?.join() === best.join()) return nothing;
  return { writes: [{ kind: "access", rats: best, before: access.rats }], unable: [] };
}

/** The module's mode with all of the wish that it has any part in; else with the longest beginning of that. Never with more than was wished. */
export function fittingRats(wish: readonly RatChoice[], modes: readonly (readonly Rat[])[]): readonly Rat[] | undefined {
  const offered = new Set(modes.flat());
  const wanted = wish.map((choice) => ratOfChoice[choice]).filter((rat) => offered.has(rat));
  for (let length = wanted.length; length > 0; length--) {
    const part = wanted.slice(0, length);
    const found =
      modes.find((mode) => mode.join() === part.join()) ?? modes.find((mode) => [...mode].sort().join() === [...part].sort().join());
    if (found !== undefined) return found;
  }
  return undefined;
}

function planBands({ bands }: RadioWish, { bands: present }: RadioReading): RadioPlan {
  if (bands === undefined) return nothing;
  if (present === undefined) return { writes: [], unable: ["bands: the module tells nothing of them"] };
  const rats = (Object.keys(bands) as Rat[]).filter((rat) => present[rat] !== undefined);
  const before: Partial<Record<Rat, readonly number[]>> = Object.fromEntries(rats.map((rat) => [rat, present[rat] ?? []]));
  const wanted: Bands = Object.fromEntries(rats.map((rat) => [rat, bands[rat] ?? []]));
  const isSo = rats.every((rat) => sorted(wanted[rat]) === sorted(before[rat]));
  return isSo ? nothing : { writes: [{ kind: "bands", bands: wanted, before }], unable: [] };
}

function planPsm({ psm }: RadioWish, { powerSaving: present }: RadioReading): RadioPlan {
  if (psm === undefined) return nothing;
  const before = present?.enabled === true ? present.requested : undefined;
  if (psm === "off") return before === undefined ? nothing : { writes: [{ kind: "psm", timers: undefined, before }], unable: [] };
  if (present === undefined) return { writes: [], unable: ["PSM: the module does not know it"] };
  // A timer is rounded up to what can be expressed: what reads back as no less than wanted, and close to it, is so.
  const isSo =
    before !== undefined && close(psm.periodicTauSeconds, before.periodicTauSeconds) && close(psm.activeSeconds, before.activeSeconds);
  return isSo ? nothing : { writes: [{ kind: "psm", timers: psm, before }], unable: [] };
}

function planEdrx({ edrxSeconds }: RadioWish, { edrx: present, access, modes }: RadioReading): RadioPlan {
  if (edrxSeconds === undefined) return nothing;
  const rat = (access?.rats ?? modes.flat()).find((one) => one === "lte-m" || one === "nb-iot");
  const requested = present?.requested.find((one) => one.rat === rat)?.cycleSeconds;
  if (edrxSeconds === 0 && requested === undefined) return nothing;
  if (present === undefined || (rat !== "lte-m" && rat !== "nb-iot"))
    return { writes: [], unable: edrxSeconds === 0 ? [] : ["eDRX: the module does not know it"] };
  const cycleSeconds = edrxSeconds === 0 ? undefined : edrxSeconds;
  if (requested !== undefined && cycleSeconds !== undefined && close(cycleSeconds, requested)) return nothing;
  return { writes: [{ kind: "edrx", rat, cycleSeconds, before: requested }], unable: [] };
}

function close(wanted: number | undefined, present: number | undefined): boolean {
  if (wanted === undefined || present === undefined) return wanted === present;
  return present >= wanted && present <= 2 * wanted + 2;
}

function sorted(bands: readonly number[] | undefined): string {
  return [...(bands ?? [])].sort((a, b) => a - b).join();
}

/** What undoes a write; undefined where what was before is not known well enough to be written. */
export function undoOf(write: RadioWrite): RadioWrite | undefined {
  switch (write.kind) {
    case "access":
      return write.before === undefined ? undefined : { kind: "access", rats: write.before, before: write.rats };
    case "bands":
      return { kind: "bands", bands: write.before, before: write.bands };
    case "psm":
      return { kind: "psm", timers: write.before, before: write.timers };
    case "edrx":
      return { kind: "edrx", rat: write.rat, cycleSeconds: write.before, before: write.cycleSeconds };
  }
}
