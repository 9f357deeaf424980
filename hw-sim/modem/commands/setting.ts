// Settings of a make as rows: what each field takes, from when on it counts, and in which form it is read back.
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import type { SettingEffect, VendorSettings } from "../vendor-settings.ts";
import { type Answer, type Call, type CommandRow, ok, refuse } from "./command.ts";

/** One argument: what it takes, and what it is from the factory. `quoted` where it is shown in quotes. */
export interface Field {
  readonly takes: (value: string) => boolean;
  readonly factory: string;
  readonly quoted?: boolean;
}

export const among = (values: readonly (number | string)[], factory: number | string = values[0] ?? 0): Field => ({
  takes: (value) => values.some((one) => String(one) === value),
  factory: String(factory),
});

export const number = (min: number, max: number, factory = min): Field => ({
  takes: (value) => /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max,
  factory: String(factory),
});

export const words = (takes: RegExp, factory: string): Field => ({ takes: (value) => takes.test(value), factory, quoted: true });

/** Not quoted, whatever is in it: hexadecimal masks, lists. */
export const plain = (takes: RegExp, factory: string): Field => ({ takes: (value) => takes.test(value), factory });

export interface Setting {
  readonly fields: readonly Field[];
  readonly effect: SettingEffect | ((values: readonly string[]) => SettingEffect);
  /** Fields that need not be given; those left out become what they are from the factory. */
  readonly optional?: number;
  /** What of the values given and those before is kept. */
  readonly merge?: (given: readonly string[], before: readonly string[]) => readonly string[];
  /** Throws where the module is not in a state to take it. */
  readonly when?: (modem: VirtualModem) => void;
  /** Once it is kept. */
  readonly applied?: (modem: VirtualModem, values: readonly string[]) => Answer | undefined;
  /** What stands in the test form behind the colon. */
  readonly test?: string;
  /** Shown by reads; all of them by default. */
  readonly shown?: number;
}

/** The values in force, field by field. */
export function inForce(settings: VendorSettings, key: string, setting: Setting): readonly string[] {
  return split(settings.get(key, factoryOf(setting)));
}

/** Takes the arguments of a call from `from` on. */
export function take(call: Call, key: string, setting: Setting, from: number): Answer {
  const { fields, effect, optional = 0 } = setting;
  const given = call.args.slice(from);
  if (given.length > fields.length || given.length < fields.length - optional) return refuse(cme.incorrectParameters);
  const asked = fields.map((field, index) => given[index] ?? field.factory);
  if (!fields.every((field, index) => field.takes(asked[index] ?? ""))) return refuse(cme.incorrectParameters);
  setting.when?.(call.modem);
  const values = setting.merge?.(asked, split(call.modem.vendor.stored(key, factoryOf(setting)))) ?? asked;
  call.modem.vendor.set(key, values.join(separator), typeof effect === "function" ? effect(values) : effect);
  return setting.applied?.(call.modem, values) ?? ok;
}

/** The values as reads show them. */
export function shown(modem: VirtualModem, key: string, setting: Setting): string {
  const values = split(modem.vendor.stored(key, factoryOf(setting)));
  const visible = setting.fields.slice(0, setting.shown ?? setting.fields.length);
  return visible.map(({ quoted }, index) => (quoted === true ? `"${values[index] ?? ""}"` : (values[index] ?? ""))).join(",");
}

/** A command of its own: read and set forms, and a test form where the reference has one. */
export function setting(name: string, row: Setting): CommandRow {
  return {
    name,
    test: () => (row.test === undefined ? ok : { lines: [`${name}: ${row.test}`] }),
    read: ({ modem }) => ({ lines: [`${name}: ${shown(modem, name, row)}`] }),
    set: (call) => take(call, name, row, 0),
  };
}

/** One command for many settings, the first argument naming which: AT+QCFG="band",… and AT+QCFG="band" to read it. */
export function family(name: string, rows: Readonly<Record<string, Setting>>): CommandRow {
  const known = (word: string | undefined): { readonly key: string; readonly row: Setting } => {
    const key = word?.toLowerCase() ?? "";
    const row = rows[key] ?? refuse(cme.incorrectParameters);
    return { key, row };
  };
  return {
    name,
    test: () => ({ lines: Object.entries(rows).map(([key, { test = "" }]) => `${name}: "${key}",${test}`) }),
    set: (call) => {
      const { key, row } = known(call.args[0]);
      if (call.args.length === 1) return { lines: [`${name}: "${key}",${shown(call.modem, settingKey(name, key), row)}`] };
      return take(call, settingKey(name, key), row, 1);
    },
  };
}

/** Under which a setting of a family is kept. */
export const settingKey = (name: string, key: string): string => `${name} ${key}`;

const separator = "\u001f";
const split = (text: string): string[] => text.split(separator);
const factoryOf = ({ fields }: Setting): string => fields.map(({ factory }) => factory).join(separator);
