// Routes of traces and of the daemon's log. Octets and what is inside DTLS are the admin's; all else the engineer's, identifiers masked unless asked for.
import { boolean, check, optional, picklist, pipe, regex, strictObject, string, transform } from "valibot";
import { type TraceLayer, traceLayers } from "../../base/trace.ts";
import type { TraceReading } from "../trace/acts.ts";
import { reason } from "./input.ts";
import { type Route, route } from "./route.ts";

const isLayer = (text: string): text is TraceLayer => (traceLayers as readonly string[]).includes(text);
const flag = pipe(
  optional(picklist(["true", "false"]), "false"),
  transform((text) => text === "true"),
);
const wholeNumber = pipe(string(), regex(/^\d{1,15}$/, "must be a whole number"), transform(Number));
const reading = {
  layers: optional(
    pipe(
      string(),
      transform((text) => text.split(",")),
      check((names) => names.every(isLayer), `must be some of ${traceLayers.join(", ")}, with commas between`),
      transform((names) => names.filter(isLayer)),
    ),
  ),
  id: optional(pipe(string(), regex(/^[a-z0-9-]{1,64}$/, "must be a trace id, or the beginning of one"))),
  decode: flag,
  show_ids: flag,
};
const following = strictObject({ ...reading, after: optional(wholeNumber) });
const keeping = strictObject({ ...reading, last: optional(wholeNumber) });

interface Asked {
  readonly layers?: readonly TraceLayer[] | undefined;
  readonly id?: string | undefined;
  readonly decode: boolean;
  readonly show_ids: boolean;
  readonly after?: number | undefined;
  readonly last?: number | undefined;
}

const readingOf = ({ show_ids: showIds, ...asked }: Asked, octets: boolean): TraceReading => ({ ...asked, showIds, octets });

export const traceRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/trace",
    access: "engineer",
    summary:
      "What goes over the interfaces, live, as JSON lines; `after` resumes from a sequence number, 0 gives all that is remembered. `layers` are some of " +
      "at, apdu, es10, esipa, es9, dtls, https; `id` is a trace id or its beginning; `decode=true` adds trees by the standards' names. Identifiers are " +
      "masked, unless `show_ids=true`, which is audited. No octets, and nothing of CoAP: see /v1/trace/octets.",
    answer: "simward/trace/1",
    example: "layers=at,apdu&after=0",
    input: following,
    stream: ({ services, role, peer }, asked, write, fail) => services.trace.follow({ role, peer }, readingOf(asked, false), write, fail),
  }),
  route({
    method: "GET",
    path: "/v1/trace/stored",
    access: "engineer",
    summary: "The same of what is kept, on flash and in memory, to its end; the `last` so many.",
    answer: "simward/trace/1",
    example: "layers=es10&last=20&decode=true",
    input: keeping,
    lines: ({ services, role, peer }, asked) => services.trace.stored({ role, peer }, readingOf(asked, false)),
  }),
  route({
    method: "GET",
    path: "/v1/trace/octets",
    access: "admin",
    summary: "As /v1/trace, with the octets in hex and with CoAP as it is inside DTLS. Secrets are overwritten here too. Audited.",
    answer: "simward/trace/1",
    example: "layers=coap&after=0",
    input: following,
    stream: ({ services, role, peer }, asked, write, fail) => services.trace.follow({ role, peer }, readingOf(asked, true), write, fail),
  }),
  route({
    method: "GET",
    path: "/v1/trace/octets/stored",
    access: "admin",
    summary: "As /v1/trace/stored, with octets and CoAP. Audited.",
    answer: "simward/trace/1",
    example: "layers=apdu,coap&last=100",
    input: keeping,
    lines: ({ services, role, peer }, asked) => services.trace.stored({ role, peer }, readingOf(asked, true)),
  }),
  route({
    method: "GET",
    path: "/v1/trace/status",
    access: "viewer",
    summary: "Whether traces are kept, of which interfaces, and where.",
    answer: "simward/trace-status/1",
    input: strictObject({}),
    run: async ({ services }) => services.trace.status(),
  }),
  route({
    method: "POST",
    path: "/v1/trace",
    access: "admin",
    summary: "Switches traces on or off, or says when they go to flash (never, failures, always), until the daemon starts anew. Audited.",
    answer: "simward/trace-status/1",
    example: '{"disk":"always","reason":"vehicle in the workshop"}',
    input: strictObject({ enabled: optional(boolean()), disk: optional(picklist(["never", "failures", "always"])), reason }),
    run: ({ services, role, peer }, change) => services.trace.set({ role, peer }, change),
  }),
  route({
    method: "GET",
    path: "/v1/log",
    access: "engineer",
    summary: "The daemon's log, live, as JSON lines; `after` resumes, 0 gives all that is remembered.",
    answer: "simward/log/1",
    example: "after=0",
    input: strictObject({ after: optional(wholeNumber) }),
    stream: ({ services }, { after }, write) => services.trace.followLog(after, write),
  }),
  route({
    method: "GET",
    path: "/v1/log/stored",
    access: "engineer",
    summary: "The last lines of the daemon's log.",
    answer: "simward/log/1",
    example: "last=20",
    input: strictObject({ last: optional(wholeNumber) }),
    lines: ({ services }, { last }) => services.trace.storedLog(last),
  }),
  route({
    method: "GET",
    path: "/v1/log/level",
    access: "viewer",
    summary: "What the daemon logs: this level and what is above.",
    answer: "simward/log-level/1",
    input: strictObject({}),
    run: async ({ services }) => services.trace.logLevel(),
  }),
  route({
    method: "POST",
    path: "/v1/log/level",
    access: "admin",
    summary: "Changes it until the daemon starts anew. Audited.",
    answer: "simward/log-level/1",
    example: '{"level":"debug","reason":"vehicle in the workshop"}',
    input: strictObject({ level: picklist(["debug", "info", "warn", "error"]), reason }),
    run: ({ services, role, peer }, { level, reason: why }) => services.trace.setLogLevel({ role, peer }, level, why),
  }),
];
