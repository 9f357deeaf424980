// Routes about the module: what it is and answers, lines typed to it, and what may be changed in it by hand.
import {
  boolean,
  check,
  integer,
  maxLength,
  maxValue,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
} from "valibot";
import { reason } from "./input.ts";
import { type Route, route } from "./route.ts";

const nothing = strictObject({});
const plmn = pipe(string(), regex(/^\d{5,6}$/, "must be MCC and MNC digits"));
const seconds = (least: number, most: number) => pipe(number(), integer(), minValue(least), maxValue(most));

export const modemRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/modem",
    access: "viewer",
    summary: "What the module is, its port, its contexts, and what it can be set to.",
    answer: "simward/modem/1",
    input: nothing,
    run: ({ services }) => services.module.info(),
  }),
  route({
    method: "POST",
    path: "/v1/modem/survey",
    access: "engineer",
    summary: "Asks the module a fixed list of questions that only read, one after the other; for a report or a transcript.",
    answer: "simward/modem-survey/1",
    example: "{}",
    input: nothing,
    run: async ({ services, role, peer }) => {
      await services.auditAdminAct("modem.surveyAsked", role, peer, {});
      return services.module.survey();
    },
  }),
  route({
    method: "POST",
    path: "/v1/modem/at",
    access: "admin",
    summary:
      "Sends one AT line. `AT_DENIED` for what rewrites the IMEI, reaches the eUICC past its owner, carries codes, changes firmware or how the module " +
      "answers; during an emergency only what ends in `?`. The line and the reason are audited, refused or not.",
    answer: "simward/at/1",
    example: '{"line":"AT+CSQ","reason":"ticket 123"}',
    input: strictObject({ line: pipe(string(), maxLength(400)), reason, timeoutSeconds: optional(seconds(1, 300)) }),
    run: ({ services, role, peer }, order) => services.module.at({ role, peer }, order),
  }),
  route({
    method: "PUT",
    path: "/v1/modem/apn",
    access: "engineer",
    summary: "Sets the APN of a context of the module; refused where `[[apn]]` of the configuration decides it.",
    answer: "simward/modem-changed/1",
    example: '{"name":"iot.example"}',
    input: strictObject({
      name: pipe(string(), regex(/^[A-Za-z0-9.-]{0,100}$/, "must be an APN (3GPP TS 23.003 §9)")),
      type: optional(picklist(["IP", "IPV6", "IPV4V6"]), "IPV4V6"),
      cid: optional(seconds(0, 16)),
    }),
    run: ({ services, role, peer }, order) => services.module.setApn({ role, peer }, order),
  }),
  route({
    method: "PUT",
    path: "/v1/modem/psm",
    access: "engineer",
    summary: "Switches power saving mode; refused where `radio.psm` decides it.",
    answer: "simward/modem-changed/1",
    example: '{"enabled":false}',
    input: pipe(
      strictObject({
        enabled: boolean(),
        periodicTauSeconds: optional(seconds(60, 34_560_000)),
        activeSeconds: optional(seconds(2, 11_160)),
      }),
      check(
        ({ enabled, periodicTauSeconds, activeSeconds }) => !enabled || (periodicTauSeconds !== undefined && activeSeconds !== undefined),
        "needs periodicTauSeconds and activeSeconds to be switched on",
      ),
    ),
    run: ({ services, role, peer }, order) => services.module.setPsm({ role, peer }, order),
  }),
  route({
    method: "PUT",
    path: "/v1/modem/edrx",
    access: "engineer",
    summary: "Sets the eDRX cycle of a technology, or switches it off; refused where `radio.edrx_seconds` decides it.",
    answer: "simward/modem-changed/1",
    example: '{"rat":"lte-m","cycleSeconds":20}',
    input: strictObject({ rat: picklist(["lte-m", "nb-iot"]), cycleSeconds: optional(pipe(number(), minValue(1), maxValue(10_486))) }),
    run: ({ services, role, peer }, order) => services.module.setEdrx({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/modem/reset",
    access: "engineer",
    summary: "Restarts the module; the answer comes when it is ready again. `EMERGENCY_ACTIVE` during an emergency. With a reason.",
    answer: "simward/modem-changed/1",
    example: '{"reason":"ticket 123"}',
    input: strictObject({ reason }),
    run: ({ services, role, peer }, { reason: why }) => services.module.reset({ role, peer }, why),
  }),
  route({
    method: "POST",
    path: "/v1/net/register",
    access: "engineer",
    summary:
      "Registers with one operator, or leaves the choice to the module again; `[market]` holds. Without data it is undone by itself.",
    answer: "simward/modem-changed/1",
    example: '{"plmn":"26201"}',
    input: strictObject({ plmn: optional(plmn) }),
    run: ({ services, role, peer }, order) => services.module.register({ role, peer }, order.plmn),
  }),
  route({
    method: "GET",
    path: "/v1/net/fplmn",
    access: "viewer",
    summary: "The operators that the card holds for forbidden (EF.FPLMN).",
    answer: "simward/fplmn/1",
    input: nothing,
    run: ({ services }) => services.module.forbidden(),
  }),
  route({
    method: "POST",
    path: "/v1/net/fplmn/clear",
    access: "engineer",
    summary: "Empties that list and starts the card anew; data stands still meanwhile. With a reason.",
    answer: "simward/modem-changed/1",
    example: '{"reason":"ticket 123"}',
    input: strictObject({ reason }),
    run: ({ services, role, peer }, { reason: why }) => services.module.clearForbidden({ role, peer }, why),
  }),
];
