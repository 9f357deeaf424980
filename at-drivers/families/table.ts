// The families of modules, most particular first: one row each.
import { SimwardError } from "../../base/errors.ts";
import type { ModemFamily } from "../family.ts";
import type { ModemIdentity } from "../types.ts";
import { generic3gpp } from "./generic-3gpp.ts";

export const families: readonly ModemFamily[] = [generic3gpp];

/** The first that knows the module; the last knows all. */
export function familyOf(identity: ModemIdentity): ModemFamily {
  return families.find((family) => family.match(identity)) ?? generic3gpp;
}

/** Throws MODEM_FAMILY. */
export function familyNamed(id: string): ModemFamily {
  const family = families.find((known) => known.id === id);
  if (family === undefined)
    throw new SimwardError("MODEM_FAMILY", { detail: `${JSON.stringify(id)} is none of ${families.map((known) => known.id).join(", ")}` });
  return family;
}

/** Which module it is, is known only after it has started: any family's sign of a start counts. */
export function bootLinesOfAll(): readonly string[] {
  return [...new Set(families.flatMap(({ quirks }) => quirks.bootLines))];
}
