// The local API as one table: method, path, who may, what comes in, what is done.
import {
  boolean,
  check,
  type GenericSchema,
  integer,
  isoTimestamp,
  maxLength,
  maxValue,
  minValue,
  nonEmpty,
  number,
  optional,
  parse,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
  transform,
  ValiError,
} from "valibot";
import { SimwardError } from "../../base/errors.ts";
import { defaultEmergencySeconds, maxEmergencySeconds } from "../local-acts.ts";
import { aboutRoutes } from "./about-routes.ts";
import { bugreportRoutes } from "./bugreport-routes.ts";
import { cardRoutes } from "./card-routes.ts";
import { doctorRoutes } from "./doctor-routes.ts";
import { dryRunRoutes } from "./dry-run-routes.ts";
import { reason } from "./input.ts";
import { lifecycleRoutes } from "./lifecycle-routes.ts";
import { modemRoutes } from "./modem-routes.ts";
import { netRoutes } from "./net-routes.ts";
import { policyRoutes } from "./policy-routes.ts";
import { profileRoutes } from "./profile-routes.ts";
import { type ApiServices, type Route, route } from "./route.ts";
import { sampleRoutes } from "./samples-routes.ts";
import { traceRoutes } from "./trace-routes.ts";
import { travelRoutes } from "./travel-routes.ts";
import { trustRoutes } from "./trust-routes.ts";
import { tunnelRoutes } from "./tunnel-routes.ts";
import { usageRoutes } from "./usage-routes.ts";

const nothing = strictObject({});
const wholeNumber = (least: number, most: number) =>
  pipe(string(), regex(/^\d{1,15}$/, "must be a whole number"), transform(Number), minValue(least), maxValue(most));
const sequenceNumber = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const time = pipe(string(), isoTimestamp("must be RFC 3339, e.g. 2026-06-01T00:00:00Z"));
const auditFilter = {
  event: optional(string()),
  iccid: optional(pipe(string(), regex(/^\d{1,20}$/, "must be the first digits of an ICCID"))),
  from: optional(time),
  to: optional(time),
};

async function* withHead(services: ApiServices, lines: AsyncIterable<string>): AsyncIterable<string> {
  yield JSON.stringify(services.auditKey());
  yield* lines;
}

export const routes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/status",
    access: "viewer",
    summary: "Where the vehicle stands: card, profiles, network, eIMs, what is under way, alarms.",
    answer: "simward/status/1",
    input: nothing,
    run: ({ services }) => services.status(),
  }),
  route({
    method: "GET",
    path: "/v1/profiles",
    access: "viewer",
    summary: "The profiles, read from the eUICC now. `BUSY` when the card is at work for longer than half a minute.",
    answer: "simward/profiles/1",
    input: nothing,
    run: ({ services }) => services.profiles(),
  }),
  route({
    method: "GET",
    path: "/v1/events",
    access: "viewer",
    summary:
      "What the daemon does, a JSON line each, for as long as the client listens. `after` begins behind that id, as far as is remembered " +
      "(0: all of it); an event `gap` comes first where something between is lost.",
    answer: "simward/event/1",
    example: "after=0",
    input: strictObject({ after: optional(sequenceNumber) }),
    stream: ({ services }, { after }, write) => services.events(after, write),
  }),
  route({
    method: "GET",
    path: "/v1/audit",
    access: "viewer",
    summary:
      "Records of the audit trail: the `last` ones (50), or the `first` ones (1000) behind the sequence number `after`; " +
      "of those whose event begins with `event`, that name an ICCID beginning with `iccid`, and whose time lies from `from` to before `to`.",
    answer: "simward/audit/1",
    example: "last=20&event=daemon.",
    input: pipe(
      strictObject({
        last: optional(wholeNumber(1, 10_000)),
        first: optional(wholeNumber(1, 10_000)),
        after: optional(sequenceNumber),
        ...auditFilter,
      }),
      check(({ last, first }) => last === undefined || first === undefined, "last and first exclude each other"),
    ),
    run: ({ services }, { last, first, after, ...filter }) =>
      last === undefined && (first !== undefined || after !== undefined)
        ? services.auditRecords({ first: first ?? 1_000, afterSeq: after, ...filter })
        : services.auditRecords({ last: last ?? 50, afterSeq: after, ...filter }),
  }),
  route({
    method: "GET",
    path: "/v1/audit/lines",
    access: "viewer",
    summary:
      "The audit trail itself, behind the sequence number `after`, a line a record, octet for octet as it was written; the first line is the document of " +
      "`/v1/audit/key`. With `event`, `iccid`, `from`, `to` those records only, which then are no chain.",
    answer: "simward/audit-key/1",
    example: "after=0",
    input: strictObject({ after: optional(sequenceNumber), ...auditFilter }),
    lines: ({ services }, { after, ...filter }) => withHead(services, services.auditLines({ afterSeq: after, ...filter })),
  }),
  route({
    method: "GET",
    path: "/v1/audit/key",
    access: "viewer",
    summary: "The head of the audit trail, and the public key of the device, which signs its checkpoints.",
    answer: "simward/audit-key/1",
    input: nothing,
    run: async ({ services }) => services.auditKey(),
  }),
  route({
    method: "GET",
    path: "/v1/audit/verification",
    access: "viewer",
    summary: "Whether the hash chain of the audit trail holds, up to the head that the daemon remembers.",
    answer: "simward/audit-verification/1",
    input: nothing,
    run: ({ services }) => services.verifyAudit(),
  }),
  route({
    method: "POST",
    path: "/v1/eim/poll",
    access: "engineer",
    summary:
      "Asks one eIM, or all, for packages and carries them out. `BUSY` when something else is under way for longer than half a minute. " +
      "It goes on when the client leaves.",
    answer: "simward/poll/1",
    example: "{}",
    input: strictObject({ eimId: optional(pipe(string(), nonEmpty("must not be empty"))) }),
    run: async ({ services, role, peer }, { eimId }) => {
      await services.auditAdminAct("eim.pollAsked", role, peer, { eimId: eimId ?? null });
      return services.pollEim(eimId);
    },
  }),
  route({
    method: "GET",
    path: "/v1/emergency",
    access: "viewer",
    summary: "Whether an emergency is under way, and who says so: `api`, `call`, `profile`.",
    answer: "simward/emergency/1",
    input: nothing,
    run: async ({ services }) => services.emergency(),
  }),
  route({
    method: "PUT",
    path: "/v1/emergency",
    access: "engineer",
    summary:
      "Tells of an emergency, or that it is over. While there is one nothing is reset, switched, downloaded or polled for; it goes on by itself " +
      `afterwards. It ends by itself after \`forSeconds\` (${defaultEmergencySeconds}, at most ${maxEmergencySeconds}); told again, it lasts from then. ` +
      "It holds over a restart.",
    answer: "simward/emergency/1",
    example: '{"active":true,"forSeconds":600}',
    input: strictObject({
      active: boolean(),
      forSeconds: optional(pipe(number(), integer(), minValue(1), maxValue(maxEmergencySeconds))),
      reason: optional(reason),
    }),
    run: async ({ services, role, peer }, order) => {
      // It holds before it is written down who said so.
      const report = await services.setEmergency(`operator:${peer?.uid ?? "unknown"}`, order);
      await services.auditAdminAct(order.active ? "emergency.told" : "emergency.revoked", role, peer, { reason: order.reason ?? null });
      return report;
    },
  }),
  route({
    method: "POST",
    path: "/v1/emergency/profile",
    access: "engineer",
    summary:
      "Enables the emergency profile, or goes back from it (SGP.32 §5.9.22, §5.9.23). Enabled it is an emergency by itself. `EMERGENCY_ACTIVE` where it " +
      "is to be disabled during a call or while one is told.",
    answer: "simward/profile-switch/1",
    example: '{"enabled":true}',
    input: strictObject({ enabled: boolean() }),
    run: async ({ services, role, peer }, { enabled }) => {
      await services.auditAdminAct(enabled ? "emergencyProfile.enableAsked" : "emergencyProfile.disableAsked", role, peer, {});
      return services.setEmergencyProfile(enabled);
    },
  }),
  route({
    method: "POST",
    path: "/v1/fallback",
    access: "engineer",
    summary: "Enables the fallback profile now, or returns from it (SGP.32 §5.9.20, §5.9.21); by itself it does so as `[fallback]` says.",
    answer: "simward/profile-switch/1",
    example: '{"action":"execute"}',
    input: strictObject({ action: picklist(["execute", "return"]) }),
    run: async ({ services, role, peer }, { action }) => {
      await services.auditAdminAct("fallback.asked", role, peer, { action });
      return services.fallback(action);
    },
  }),
  route({
    method: "POST",
    path: "/v1/immediate-enable",
    access: "admin",
    summary: "Configures immediate profile enabling (SGP.32 §5.9.17), which the eUICC lets the device do only while no eIM is associated.",
    answer: "simward/immediate-enable/1",
    example: '{"enabled":true,"smdpAddress":"dp.example.com"}',
    input: strictObject({
      enabled: boolean(),
      smdpOid: optional(pipe(string(), regex(/^\d+(\.\d+)+$/, "must be dotted decimal"))),
      smdpAddress: optional(pipe(string(), nonEmpty("must not be empty"), maxLength(255))),
    }),
    run: async ({ services, role, peer }, order) => {
      const { enabled, smdpOid = null, smdpAddress = null } = order;
      await services.auditAdminAct("immediateEnable.configured", role, peer, { enabled: String(enabled), smdpOid, smdpAddress });
      return services.setImmediateEnable(order);
    },
  }),
  ...aboutRoutes,
  ...dryRunRoutes,
  ...bugreportRoutes,
  ...doctorRoutes,
  ...cardRoutes,
  ...modemRoutes,
  ...netRoutes,
  ...profileRoutes,
  ...trustRoutes,
  ...travelRoutes,
  ...lifecycleRoutes,
  ...usageRoutes,
  ...sampleRoutes,
  ...policyRoutes,
  ...tunnelRoutes,
  ...traceRoutes,
];

/** A request of nonsense is not answered at greater length than it has. */
const mostProblems = 8;
const mostProblemChars = 300;

/** Throws API_INPUT, naming each field. */
export function parseInput<I>(input: GenericSchema<unknown, I>, value: unknown): I {
  try {
    return parse(input, value);
  } catch (error) {
    if (!(error instanceof ValiError)) throw error;
    const problems = error.issues
      .slice(0, mostProblems)
      .map((issue) => `${issue.path?.map((item: { key: unknown }) => String(item.key)).join(".") ?? "input"}: ${issue.message}`)
      .map((text) => (text.length > mostProblemChars ? `${text.slice(0, mostProblemChars)}…` : text));
    throw new SimwardError("API_INPUT", { detail: problems.join("; "), data: { problems } });
  }
}
