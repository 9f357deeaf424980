// Fault settings as JSON has them, for POST /v1/faults: what is named is set, null puts its default back, the rest stays.
import * as v from "valibot";
import { SimwardError } from "../base/errors.ts";

type SettingsSchema = v.GenericSchema<unknown, object> & { readonly entries: object };

/** Throws SIM_REQUEST naming the field; then nothing is changed. */
export function applySettings<T extends object>(target: string, schema: SettingsSchema, faults: T, defaults: T, settings: unknown): void {
  const cleared = Object.entries(settings ?? {}).flatMap(([name, value]) => (value === null && name in schema.entries ? [name] : []));
  const named = isRecord(settings) ? Object.fromEntries(Object.entries(settings).filter(([name]) => !cleared.includes(name))) : settings;
  const parsed = v.safeParse(schema, named);
  if (!parsed.success) {
    const detail = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "value"}: ${issue.message}`).join("; ");
    throw new SimwardError("SIM_REQUEST", { detail: `${target} faults: ${detail}` });
  }
  Object.assign(faults, Object.fromEntries(cleared.map((name) => [name, Reflect.get(defaults, name)])), parsed.output);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
