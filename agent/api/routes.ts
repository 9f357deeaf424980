// The local API as one table: method, path, who may, what comes in, what is done.
import {
  type GenericSchema,
  integer,
  maxValue,
  minValue,
  nonEmpty,
  optional,
  parse,
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
import type { PeerCredentials } from "./peer.ts";
import type { ApiEvent, AuditPage, AuditVerificationReport, PollResult, ProfileList, Role, Status } from "./types.ts";

/** What the routes call; the agent is this. */
export interface ApiServices {
  status(): Promise<Status>;
  profiles(): Promise<ProfileList>;
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
  /** Of the query (GET) or the body. */
  readonly input: GenericSchema<unknown, I>;
  /** One JSON document; a stream is served by `stream`. */
  readonly run?: (context: RouteContext, input: I) => Promise<unknown>;
  /** JSON lines for as long as the client listens. */
  readonly stream?: (context: RouteContext, input: I, write: (line: ApiEvent) => void) => Disposer;
}

const nothing = strictObject({});
const wholeNumber = (least: number, most: number) =>
  pipe(string(), regex(/^\d{1,15}$/, "must be a whole number"), transform(Number), integer(), minValue(least), maxValue(most));

function route<I>(definition: Route<I>): Route {
  return definition as unknown as Route;
}

export const routes: readonly Route[] = [
  route({ method: "GET", path: "/v1/status", access: "viewer", input: nothing, run: ({ services }) => services.status() }),
  route({ method: "GET", path: "/v1/profiles", access: "viewer", input: nothing, run: ({ services }) => services.profiles() }),
  route({
    method: "GET",
    path: "/v1/events",
    access: "viewer",
    input: strictObject({ after: optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)) }),
    stream: ({ services }, { after }, write) => services.events(after, write),
  }),
  route({
    method: "GET",
    path: "/v1/audit",
    access: "viewer",
    input: strictObject({
      last: optional(wholeNumber(1, 10_000), "50"),
      event: optional(string()),
      after: optional(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
    }),
    run: ({ services }, { last, event, after }) => services.auditRecords({ last, event, afterSeq: after }),
  }),
  route({ method: "GET", path: "/v1/audit/verification", access: "viewer", input: nothing, run: ({ services }) => services.verifyAudit() }),
  route({
    method: "POST",
    path: "/v1/eim/poll",
    access: "engineer",
    input: strictObject({ eimId: optional(pipe(string(), nonEmpty("must not be empty"))) }),
    run: async ({ services, role, peer }, { eimId }) => {
      await services.auditAdminAct("eim.pollAsked", role, peer, { eimId: eimId ?? null });
      return services.pollEim(eimId);
    },
  }),
];

/** Throws API_INPUT, naming each field. */
export function parseInput<I>(input: GenericSchema<unknown, I>, value: unknown): I {
  try {
    return parse(input, value);
  } catch (error) {
    if (!(error instanceof ValiError)) throw error;
    const problems = error.issues.map(
      (issue) => `${issue.path?.map((item: { key: unknown }) => String(item.key)).join(".") ?? "body"}: ${issue.message}`,
    );
    throw new SimwardError("API_INPUT", { detail: problems.join("; "), data: { problems } });
  }
}
