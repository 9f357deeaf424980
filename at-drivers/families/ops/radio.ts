// Technologies and bands by a family's tables: read, compared, written only where they differ, read back.
import { SimwardError } from "../../../base/errors.ts";
import { set } from "../../declare.ts";
import type { AtPort } from "../../engine/types.ts";
import type { Bands, Change, ModemOps, ModemQuirks, RadioMode, RadioSwitch, RadioTable, Setting, Terms } from "../../family.ts";
import type { Rat } from "../../types.ts";
import { orUndefined } from "./common.ts";

export const unchanged: Change = { changed: false, needsReset: false };

type RadioOps = Pick<ModemOps, "radioAccess" | "setRadioAccess" | "bands" | "setBands">;

export function radioOps(quirks: ModemQuirks): RadioOps {
  return {
    async radioAccess(port) {
      const table = quirks.radio;
      if (table === undefined) return undefined;
      const values = await readAll(port, table.settings);
      if (values.every((value) => value === undefined)) return undefined;
      return {
        rats: modeRead(table, values)?.rats,
        read: Object.fromEntries(table.settings.flatMap(({ name }, at) => (values[at] === undefined ? [] : [[name, values[at]]]))),
      };
    },
    async setRadioAccess(port, rats, radio) {
      const table = quirks.radio;
      const mode = table === undefined ? undefined : modeFor(table, rats);
      if (table === undefined || mode === undefined) throw new SimwardError("MODEM_UNABLE", { detail: unable(table, rats) });
      const present = await readAll(port, table.settings);
      const differing = table.settings.flatMap((setting, at) => {
        const value = mode.values[at];
        return value === undefined || value === present[at] ? [] : [{ setting, value }];
      });
      if (differing.length === 0) return unchanged;
      return underTerms(table.terms, radio, async () => {
        for (const { setting, value } of differing) await port.send(setting.write, value);
        for (const { setting, value } of differing) await expectReading(port, setting, value);
      });
    },
    bands: (port) => (quirks.bands === undefined ? Promise.resolve(undefined) : orUndefined(port.send(quirks.bands.read))),
    async setBands(port, wanted, radio) {
      const table = quirks.bands;
      if (table === undefined) throw new SimwardError("MODEM_UNABLE", { detail: "bands" });
      const present = await port.send(table.read);
      const missing = ratsOf(wanted).find((rat) => present[rat] === undefined);
      if (missing !== undefined) throw new SimwardError("MODEM_UNABLE", { detail: `bands of ${missing}` });
      if (sameBands(wanted, present)) return unchanged;
      return underTerms(table.terms, radio, async () => {
        for (const line of table.write(wanted, present)) await port.send(set("bands", () => line));
        const readBack = await port.send(table.read);
        if (!sameBands(wanted, readBack))
          throw new SimwardError("AT_REPLY", { detail: `bands read back as ${JSON.stringify(readBack)}, not ${JSON.stringify(wanted)}` });
      });
    },
  };
}

/** Writes under the terms of what is written. The radio comes back whatever happens. */
export async function underTerms(terms: Terms, radio: RadioSwitch, write: () => Promise<void>): Promise<Change> {
  try {
    if (terms.level !== undefined) await radio.off(terms.level);
    await write();
  } finally {
    if (terms.level !== undefined) await radio.on();
  }
  return { changed: true, needsReset: terms.holds === "after-reset" };
}

/** Throws AT_REPLY when the module reads back something else. */
export async function expectReading(port: AtPort, setting: Setting, value: string): Promise<void> {
  const readBack = await port.send(setting.read);
  if (readBack !== value) throw new SimwardError("AT_REPLY", { detail: `${setting.name} reads back as ${readBack}, not ${value}` });
}

async function readAll(port: AtPort, settings: readonly Setting[]): Promise<readonly (string | undefined)[]> {
  const values: (string | undefined)[] = [];
  for (const { read } of settings) values.push(await orUndefined(port.send(read)));
  return values;
}

/** A mode with the technologies in this order; else one with the same in another order. */
function modeFor({ modes }: RadioTable, rats: readonly Rat[]): RadioMode | undefined {
  return (
    modes.find((mode) => mode.rats.join() === rats.join()) ?? modes.find((mode) => [...mode.rats].sort().join() === [...rats].sort().join())
  );
}

/** The mode that all settings say; else one that those say which are not about the order only. */
function modeRead({ settings, modes }: RadioTable, values: readonly (string | undefined)[]): RadioMode | undefined {
  const says = (mode: RadioMode, withOrder: boolean): boolean =>
    settings.every(
      (setting, at) => mode.values[at] === undefined || mode.values[at] === values[at] || (!withOrder && setting.onlyOrder === true),
    );
  return modes.find((mode) => says(mode, true)) ?? modes.find((mode) => says(mode, false));
}

function unable(table: RadioTable | undefined, rats: readonly Rat[]): string {
  const wanted = rats.join(" before ");
  if (table === undefined) return `${wanted}: no command is known by which its technologies are chosen`;
  return `${wanted}: it offers ${table.modes.map((mode) => mode.rats.join(" before ")).join("; ")}`;
}

function ratsOf(bands: Bands): readonly Rat[] {
  return Object.keys(bands) as Rat[];
}

function sameBands(wanted: Bands, present: Bands): boolean {
  return ratsOf(wanted).every((rat) => [...(wanted[rat] ?? [])].sort(byNumber).join() === [...(present[rat] ?? [])].sort(byNumber).join());
}

function byNumber(a: number, b: number): number {
  return a - b;
}
