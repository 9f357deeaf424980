// Routes of roaming days, their rules, and markets.
import { maxLength, nonEmpty, optional, pipe, regex, strictObject, string } from "valibot";
import { reason } from "./input.ts";
import { type Route, route } from "./route.ts";

export const travelRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/roaming",
    access: "viewer",
    summary: "How the vehicle stands with the rules of permanent roaming where it is: days used, days left, what is done then.",
    answer: "simward/roaming/1",
    input: strictObject({}),
    run: async ({ services }) => services.travel.roaming(),
  }),
  route({
    method: "GET",
    path: "/v1/roaming/history",
    access: "viewer",
    summary: "The days on which the vehicle was used, by country and by device, subscription and profile.",
    answer: "simward/roaming-history/1",
    input: strictObject({}),
    run: async ({ services }) => services.travel.roamingHistory(),
  }),
  route({
    method: "GET",
    path: "/v1/roaming/rules",
    access: "viewer",
    summary: "The rules of permanent roaming in force, with their sources, and who has signed them.",
    answer: "simward/roaming-rules-report/1",
    input: strictObject({}),
    run: async ({ services }) => services.travel.roamingRules(),
  }),
  route({
    method: "POST",
    path: "/v1/roaming/rules",
    access: "admin",
    summary:
      "Installs rules that a `policy` key of the key ring has signed: `rules` is the file's text, `signature` in base64. `ROAMING_RULES` where they are " +
      "not valid, or no newer than those before; these stay in force then.",
    answer: "simward/roaming-rules-report/1",
    example: '{"rules":"{}","signature":"bm90IGEgc2lnbmF0dXJl","reason":"rules of 2027"}',
    input: strictObject({
      rules: pipe(string(), nonEmpty("must not be empty"), maxLength(60_000)),
      signature: pipe(string(), regex(/^[A-Za-z0-9+/]+={0,2}$/, "must be base64"), maxLength(1_000)),
      reason,
    }),
    run: ({ services, role, peer }, order) => services.travel.installRoamingRules({ role, peer }, order),
  }),
  route({
    method: "GET",
    path: "/v1/market",
    access: "viewer",
    summary:
      "The market that the vehicle is in, or that of `country`: profile wanted and what came of it, APNs, operators, what may be changed.",
    answer: "simward/market/1",
    example: "country=TR",
    input: strictObject({ country: optional(pipe(string(), regex(/^[A-Z]{2}$/, "must be ISO 3166-1 alpha-2"))) }),
    run: async ({ services }, { country }) => services.travel.market(country),
  }),
];
