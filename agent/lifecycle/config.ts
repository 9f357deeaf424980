// [lifecycle]: the stage to begin with, and what brings each of the others about.
import { array, check, type InferOutput, integer, minValue, number, optional, picklist, pipe, regex, strictObject, string } from "valibot";
import type { LifecyclePlan } from "./machine.ts";
import { type Trigger, triggerOf, triggerWords } from "./triggers.ts";

const triggers = array(
  pipe(
    string(),
    check((text) => triggerOf(text) !== undefined, `must be one of ${triggerWords}`),
  ),
);

export const lifecycleConfig = pipe(
  strictObject({
    /** Of a vehicle that has no stage yet. */
    first: optional(picklist(["factory_test", "shipping", "operational"]), "operational"),
    shipping_on: optional(triggers, ["command:engineer"]),
    operational_on: optional(triggers, ["command:engineer", "token"]),
    suspended_on: optional(triggers, ["command:admin", "token"]),
    retired_on: optional(triggers, ["command:admin", "token"]),
    factory_country: optional(pipe(string(), regex(/^[A-Z]{2}$/, "must be ISO 3166-1 alpha-2"))),
    test_cap_bytes: optional(pipe(number(), integer(), minValue(1))),
    test_apn: optional(pipe(string(), regex(/^[A-Za-z0-9.-]{1,100}$/, "must be an APN (3GPP TS 23.003 §9)"))),
    retire_by: optional(picklist(["memory_reset", "eim"]), "memory_reset"),
  }),
  check(
    ({ factory_country, shipping_on, operational_on, suspended_on, retired_on }) =>
      factory_country !== undefined || ![shipping_on, operational_on, suspended_on, retired_on].flat().includes("abroad"),
    "has the trigger abroad, and no factory_country that it could be abroad from",
  ),
  // An act that cannot be undone is the admin's.
  check(({ retired_on }) => !retired_on.includes("command:engineer"), "has command:engineer in retired_on: retirement is the admin's"),
);
export type LifecycleConfig = InferOutput<typeof lifecycleConfig>;

export function planOf(config: LifecycleConfig): LifecyclePlan {
  const read = (texts: readonly string[]): readonly Trigger[] => texts.flatMap((text) => triggerOf(text) ?? []);
  return {
    triggers: {
      shipping: read(config.shipping_on),
      operational: read(config.operational_on),
      suspended: read(config.suspended_on),
      retired: read(config.retired_on),
    },
    factoryCountry: config.factory_country,
  };
}
