// The local API as one table: method, path, who may, what comes in, what is done.
import {
  boolean,
  check,
  type GenericSchema,
  integer,
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
import type { Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { AuditQuery } from "../audit/types.ts";
import { defaultEmergencySeconds, type LocalActs, maxEmergencySeconds } from "../local-acts.ts";
import type { LocalProfileActs } from "../local-profiles.ts";
import type { TrustActs } from "../trust.ts";
import type { PeerCredentials } from "./peer.ts";
import { profileRoutes } from "./profile-routes.ts";
import { trustRoutes } from "./trust-routes.ts";
import type { ApiEvent, AuditPage, AuditVerificationReport, PollResult, ProfileList, Role, Status } from "./types.ts";

/** What the routes call; the agent is this. */
export interface ApiServices extends LocalActs {
  status(): Promise<Status>;
  profiles(): Promise<ProfileList>;
  readonly local: LocalProfileActs;
  readonly trust: TrustActs;
  pollEim(eimId: string | undefined): Promise<PollResult>;
  auditRecords(query: AuditQuery): Promise<AuditPage>;
  verifyAudit(): Promise<AuditVerificationReport>;
  events(afterId: number | undefined, fn: (event: ApiEvent) => void): Disposer;
  /** Writes through the API are audited with who did it. */
  auditAdminAct(act: string, role: Role, peer: PeerCredentials | undefined, data: Readonly<Record<string, string | null>>): Promise<void>;
}

export interface RouteContext {
  readonly services: ApiServices;
  readonly role: Role;
  readonly peer: PeerCredentials | undefined;
}

export interface Route<I = unknown> {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  /** The least role that may. */
  readonly access: Role;
  readonly summary: string;
  /** Schema id of the answer; of each line where it is a stream. */
  readonly answer: string;
  /** Query, or body in JSON, of the example in docs/api.md. */
  readonly example?: string;
  /** Of the query (GET) or the body. */
  readonly input: GenericSchema<unknown, I>;
  /** One JSON document; a stream is served by `stream`. */
  readonly run?: (context: RouteContext, input: I) => Promise<unknown>;
  /** JSON lines for as long as the client listens. */
  readonly stream?: (context: RouteContext, input: I, write: (line: ApiEvent) => void) => Disposer;
}

const nothing = strictObject({});
const wholeNumber = (least: number, most: number) =>
  pipe(string(), regex(/^\d{1,15}$/, "must be a whole number"), transform(Number), minValue(least), maxValue(most));
const sequenceNumber = wholeNumber(0, Number.MAX_SAFE_INTEGER);

function route<I>(definition: Route<I>): Route {
  return definition as unknown as Route;
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
      "of those whose event begins with `event`.",
    answer: "simward/audit/1",
    example: "last=20&event=daemon.",
    input: pipe(
      strictObject({
        last: optional(wholeNumber(1, 10_000)),
        first: optional(wholeNumber(1, 10_000)),
        after: optional(sequenceNumber),
        event: optional(string()),
      }),
      check(({ last, first }) => last === undefined || first === undefined, "last and first exclude each other"),
    ),
    run: ({ services }, { last, first, after, event }) =>
      last === undefined && (first !== undefined || after !== undefined)
        ? services.auditRecords({ first: first ?? 1_000, afterSeq: after, event })
        : services.auditRecords({ last: last ?? 50, afterSeq: after, event }),
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
      reason: optional(pipe(string(), maxLength(200))),
    }),
    run: ({ services, peer }, order) => services.setEmergency(`operator:${peer?.uid ?? "unknown"}`, order),
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
  ...profileRoutes,
  ...trustRoutes,
];

/** Throws API_INPUT, naming each field. */
export function parseInput<I>(input: GenericSchema<unknown, I>, value: unknown): I {
  try {
    return parse(input, value);
  } catch (error) {
    if (!(error instanceof ValiError)) throw error;
    const problems = error.issues.map(
      (issue) => `${issue.path?.map((item: { key: unknown }) => String(item.key)).join(".") ?? "input"}: ${issue.message}`,
    );
    throw new SimwardError("API_INPUT", { detail: problems.join("; "), data: { problems } });
  }
}
