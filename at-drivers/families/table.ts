// The families of modules, most particular first: one row each.
import { SimwardError } from "../../base/errors.ts";
import type { ModemFamily, ModemOps } from "../family.ts";
import type { ModemIdentity } from "../types.ts";
import { generic3gpp, genericOps } from "./generic-3gpp.ts";
import { nordicNrf91 } from "./nordic-nrf91.ts";
import { quectelBg9x } from "./quectel-bg9x.ts";
import { quectelEc2x, quectelEc200 } from "./quectel-eg.ts";
import { simcomA76xx } from "./simcom-a76xx.ts";
import { simcomSim7080 } from "./simcom-sim7080.ts";
import { telitLe910, telitLe910Q1, telitMe } from "./telit.ts";
import { ubloxLaraR6, ubloxLexiR10, ubloxSaraR4, ubloxSaraR5 } from "./ublox.ts";

export const families: readonly ModemFamily[] = [
  quectelBg9x,
  quectelEc200,
  quectelEc2x,
  simcomSim7080,
  simcomA76xx,
  ubloxSaraR5,
  ubloxSaraR4,
  ubloxLaraR6,
  ubloxLexiR10,
  telitMe,
  telitLe910Q1,
  telitLe910,
  nordicNrf91,
  generic3gpp,
];

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

/** A fresh set for one module: what was seen to work is remembered in it. */
export function opsOf(family: ModemFamily): ModemOps {
  return { ...genericOps(family.quirks), ...family.override };
}

/** Which module it is, is known only after it has started: any family's sign of a start counts. */
export function bootLinesOfAll(): readonly string[] {
  return [...new Set(families.flatMap(({ quirks }) => quirks.bootLines))];
}
