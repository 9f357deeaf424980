// Routes of the vehicle's life: its stage, who may change it, what the vehicle tells of itself.
import {
  check,
  integer,
  isoTimestamp,
  maxLength,
  maxValue,
  minValue,
  nonEmpty,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
} from "valibot";
import { stages } from "../policy/types.ts";
import { reason } from "./input.ts";
import { type Route, route } from "./route.ts";

const count = pipe(number(), integer(), minValue(0), maxValue(Number.MAX_SAFE_INTEGER));
const km = pipe(number(), minValue(0), maxValue(10_000_000));

export const lifecycleRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/lifecycle",
    access: "viewer",
    summary:
      "The stage of the vehicle's life, what would bring the next one about, how far a retirement or transfer is; the challenge for a token.",
    answer: "simward/lifecycle/1",
    input: strictObject({}),
    run: ({ services }) => services.lifecycle.lifecycle(),
  }),
  route({
    method: "POST",
    path: "/v1/lifecycle/stage",
    access: "engineer",
    summary:
      "Orders a stage, by the role of the socket where `[lifecycle]` names it as a trigger, or by a `token` of the fleet (docs/policy.md). " +
      "`retired` is the admin's (`/v1/lifecycle/retire`), unless a token orders it. `LIFECYCLE_REFUSED` where it does not follow the present one.",
    answer: "simward/lifecycle/1",
    example: '{"stage":"shipping","reason":"end of line 4"}',
    input: strictObject({
      stage: picklist(stages),
      reason,
      token: optional(pipe(string(), nonEmpty("must not be empty"), maxLength(1_000))),
    }),
    run: ({ services, role, peer }, order) => services.lifecycle.setStage({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/lifecycle/retire",
    access: "admin",
    summary:
      "Retires the vehicle, for good: what is pending is delivered, then no profile stays enabled. It goes on by itself; see `GET /v1/lifecycle`.",
    answer: "simward/lifecycle/1",
    example: '{"reason":"scrapped, ticket 123"}',
    input: strictObject({ reason }),
    run: ({ services, role, peer }, order) => services.lifecycle.setStage({ role, peer }, { stage: "retired", ...order }),
  }),
  route({
    method: "POST",
    path: "/v1/lifecycle/transfer",
    access: "admin",
    summary:
      "Ends one owner's time: all profiles go but the provisioning profile. `LIFECYCLE_REFUSED`, with the reason, where none of that class is enabled. " +
      "It goes on by itself; see `GET /v1/lifecycle`.",
    answer: "simward/lifecycle/1",
    example: '{"reason":"sold, ticket 123"}',
    input: strictObject({ reason }),
    run: ({ services, role, peer }, order) => services.lifecycle.transfer({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/lifecycle/test-trigger",
    access: "viewer",
    summary: "What would become of the stage if this were so. Nothing is done. What is left out is as it is now.",
    answer: "simward/lifecycle-test/1",
    example: '{"stage":"shipping","odometerKm":51}',
    input: strictObject({
      stage: optional(picklist(stages)),
      time: optional(pipe(string(), isoTimestamp("must be RFC 3339, e.g. 2026-06-01T00:00:00Z"))),
      usedBytes: optional(count),
      ignitions: optional(count),
      odometerKm: optional(km),
      country: optional(pipe(string(), regex(/^[A-Z]{2}$/, "must be ISO 3166-1 alpha-2"))),
    }),
    run: async ({ services }, { time, ...assumed }) => {
      const given = Object.fromEntries(Object.entries(assumed).filter(([, value]) => value !== undefined));
      return services.lifecycle.testTrigger({ ...given, ...(time === undefined ? {} : { nowMs: Date.parse(time) }) });
    },
  }),
  route({
    method: "PUT",
    path: "/v1/vehicle",
    access: "engineer",
    summary: "What the vehicle's own bus knows: ignition, odometer. Told as often as they change; triggers of `[lifecycle]` look at them.",
    answer: "simward/lifecycle/1",
    example: '{"ignition":"on","odometerKm":12}',
    input: pipe(
      strictObject({ ignition: optional(picklist(["on", "off"])), odometerKm: optional(km) }),
      check(({ ignition, odometerKm }) => ignition !== undefined || odometerKm !== undefined, "give ignition, odometerKm or both"),
    ),
    run: ({ services, role, peer }, news) => services.lifecycle.tellVehicle({ role, peer }, news),
  }),
];
