// Routes about connectivity: where it stands, sessions and gaps, probes, scans, an APN or technologies on trial.
import {
  array,
  integer,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
  transform,
} from "valibot";
import type { NetActs } from "../connectivity/net-acts.ts";
import { ratChoices } from "../connectivity/radio-plan.ts";
import { type Route, type RouteContext, route } from "./route.ts";

const nothing = strictObject({});
const netOf = ({ services }: RouteContext): NetActs => services.net;

export const netRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/net",
    access: "viewer",
    summary:
      "Registration with causes in words, cell, signal, path and whether anything passes over it, what is known of operators, the radio.",
    answer: "simward/net/1",
    input: nothing,
    run: (context) => netOf(context).netStatus(),
  }),
  route({
    method: "GET",
    path: "/v1/sessions",
    access: "viewer",
    summary: "The data session that is up, and the `last` (20) sessions and gaps of the audit trail with their reasons.",
    answer: "simward/sessions/1",
    example: "last=10",
    input: strictObject({
      last: optional(pipe(string(), regex(/^\d{1,4}$/, "must be a whole number"), transform(Number), minValue(1), maxValue(1_000))),
    }),
    run: (context, { last }) => netOf(context).sessions(last ?? 20),
  }),
  route({
    method: "POST",
    path: "/v1/net/probe",
    access: "engineer",
    summary: "Asks resolvers, hosts and eIMs now whether anything passes.",
    answer: "simward/probe/1",
    example: "{}",
    input: nothing,
    run: (context) => netOf(context).probe(),
  }),
  route({
    method: "POST",
    path: "/v1/net/scan",
    access: "engineer",
    summary: "Looks for operators: minutes, and data stands still meanwhile. `EMERGENCY_ACTIVE` during an emergency.",
    answer: "simward/operators/1",
    example: "{}",
    input: nothing,
    run: async (context) => {
      await context.services.auditAdminAct("net.scanAsked", context.role, context.peer, {});
      return netOf(context).scan();
    },
  }),
  route({
    method: "POST",
    path: "/v1/net/apn-test",
    access: "engineer",
    summary: "Takes an APN on trial: session and probe, refusals in words. What was in use before is restored, whatever comes of it.",
    answer: "simward/apn-test/1",
    example: '{"name":"iot.example"}',
    input: strictObject({
      name: pipe(string(), regex(/^[A-Za-z0-9.-]{0,100}$/, "must be an APN (3GPP TS 23.003 §9)")),
      type: optional(picklist(["IP", "IPV6", "IPV4V6"]), "IPV4V6"),
      cid: optional(pipe(number(), integer(), minValue(0), maxValue(16)), 1),
    }),
    run: async (context, test) => {
      await context.services.auditAdminAct("apn.testAsked", context.role, context.peer, { apn: test.name });
      return netOf(context).testApn(test);
    },
  }),
  route({
    method: "GET",
    path: "/v1/radio",
    access: "viewer",
    summary:
      "Technologies that the module may use and could be set to, PSM and eDRX as asked for and as granted; read from the module now.",
    answer: "simward/radio/1",
    input: nothing,
    run: (context) => netOf(context).radio(),
  }),
  route({
    method: "PUT",
    path: "/v1/radio/rats",
    access: "engineer",
    summary:
      "Sets the technologies until module or daemon start again, when `[radio]` holds. Verified by a data path, and undone without one. " +
      "`RADIO_REFUSED` for NB-IoT in a vehicle.",
    answer: "simward/radio/1",
    example: '{"rats":["lte-m"]}',
    input: strictObject({ rats: pipe(array(picklist(ratChoices)), minLength(1), maxLength(ratChoices.length)) }),
    run: async (context, { rats }) => {
      await context.services.auditAdminAct("radio.ratsAsked", context.role, context.peer, { rats: rats.join(",") });
      return netOf(context).setRats(rats, `operator:${context.peer?.uid ?? "unknown"}`);
    },
  }),
];
