// Technologies and bands by a family's tables: read, compared, written only where they differ, read back.
import { SimwardError } from "../../../base/errors.ts";
import { set } from "../../declare.ts";
import type { AtPort } from "../../engine/types.ts";
import type {
  BandReading,
  Bands,
  Change,
  ModemOps,
  ModemQuirks,
  RadioMode,
  RadioSwitch,
  RadioTable,
  Setting,
  Terms,
} from "../../family.ts";
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
      if (isSo(table, present, mode)) return unchanged;
      const differing = table.settings.flatMap((setting, at) => {
        const value = mode.values[at];
        return value === undefined || value === present[at] ? [] : [{ setting, value }];
      });
      return underTerms(table.terms, radio, async () => {
        for (const { setting, value } of differing) await port.send(setting.write, value);
        for (const { setting, value } of differing) await expectReading(port, setting, value);
      });
    },
    bands: async (port) => (await readBands(port, quirks))?.bands,
    async setBands(port, wanted, radio) {
      const table = quirks.bands;
      if (table === undefined) throw new SimwardError("MODEM_UNABLE", { detail: "bands" });
      const empty = ratsOf(wanted).find((rat) => wanted[rat]?.length === 0);
      if (empty !== undefined && table.noneIsAll !== true) throw new SimwardError("MODEM_UNABLE", { detail: `no band for ${empty}` });
      const present = await port.send(table.read);
      const missing = ratsOf(wanted).find((rat) => present.bands[rat] === undefined);
      if (missing !== undefined) throw new SimwardError("MODEM_UNABLE", { detail: `bands of ${missing}` });
      if (sameBands(wanted, present.bands)) return unchanged;
      return underTerms(table.terms, radio, async () => {
        for (const line of table.write(wanted, present)) await port.send(set(line.split("=")[0] ?? line, () => line));
        const { bands: readBack } = await port.send(table.read);
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
  return { changed: true, needsReset: terms.holds !== "at-once" };
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
function modeRead(table: RadioTable, values: readonly (string | undefined)[]): RadioMode | undefined {
  return table.modes.find((mode) => says(table, values, mode, true)) ?? table.modes.find((mode) => says(table, values, mode, false));
}

/** Whether nothing needs to be written: of a single technology no order matters. */
function isSo(table: RadioTable, values: readonly (string | undefined)[], wanted: RadioMode): boolean {
  return table.modes.some(
    ({ rats, values: said }) => rats.join() === wanted.rats.join() && says(table, values, { rats, values: said }, rats.length > 1),
  );
}

function says({ settings }: RadioTable, values: readonly (string | undefined)[], mode: RadioMode, withOrder: boolean): boolean {
  return settings.every((setting, at) => {
    const value = mode.values[at];
    return value === undefined || value === values[at] || (!withOrder && setting.onlyOrder === true);
  });
}

async function readBands(port: AtPort, { bands }: ModemQuirks): Promise<BandReading | undefined> {
  return bands === undefined ? undefined : orUndefined(port.send(bands.read));
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
