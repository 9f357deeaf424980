// Routes of what the fleet trusts the vehicle by: its keys, and the pairing of device and card.
import { maxLength, nonEmpty, optional, pipe, regex, strictObject, string } from "valibot";
import { reason, text } from "./input.ts";
import { type Route, route } from "./route.ts";

const token = text(1_000);

export const trustRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/imei-lock",
    access: "viewer",
    summary: "The pairing of device and card, what is in the vehicle now, and the challenge that a token must sign.",
    answer: "simward/imei-lock/1",
    input: strictObject({}),
    run: ({ services }) => services.trust.imeiLock(),
  }),
  route({
    method: "POST",
    path: "/v1/imei-lock/pair",
    access: "admin",
    summary: "Pairs device and card for the first time, in production. `IMEI_LOCK` where they are paired otherwise.",
    answer: "simward/imei-lock/1",
    example: '{"vin":"WVWZZZ1JZXW000001","reason":"end of line 4"}',
    input: strictObject({ vin: optional(pipe(string(), regex(/^[A-HJ-NPR-Z0-9]{17}$/, "must be a VIN (ISO 3779)"))), reason }),
    run: ({ services, role, peer }, order) => services.trust.pairImei({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/imei-lock/unlock",
    access: "admin",
    summary: "Lets this device pass without pairing it, by a token of the fleet (docs/policy.md).",
    answer: "simward/imei-lock/1",
    example: '{"token":"bm90IGEgc2lnbmF0dXJl","reason":"ticket 123"}',
    input: strictObject({ token, reason: optional(reason) }),
    run: ({ services, role, peer }, order) => services.trust.obeyImeiLock({ role, peer }, "unlock", order),
  }),
  route({
    method: "POST",
    path: "/v1/imei-lock/repair",
    access: "admin",
    summary: "Pairs device and card anew, by a token of the fleet (docs/policy.md).",
    answer: "simward/imei-lock/1",
    example: '{"token":"bm90IGEgc2lnbmF0dXJl","reason":"module replaced, ticket 123"}',
    input: strictObject({ token, reason: optional(reason) }),
    run: ({ services, role, peer }, order) => services.trust.obeyImeiLock({ role, peer }, "repair", order),
  }),
  route({
    method: "GET",
    path: "/v1/keys",
    access: "viewer",
    summary: "The fleet's keys that this vehicle believes, by purpose; and those it never will again.",
    answer: "simward/keys/1",
    input: strictObject({}),
    run: async ({ services }) => services.trust.keys(),
  }),
  route({
    method: "POST",
    path: "/v1/keys",
    access: "admin",
    summary:
      "Installs a key ring that the root has signed: `ring` is the file's text, `signature` in base64. `KEYRING_INVALID` where its version is not higher.",
    answer: "simward/keys/1",
    example: '{"ring":"{}","signature":"bm90IGEgc2lnbmF0dXJl","reason":"rotation 2026"}',
    input: strictObject({
      ring: pipe(string(), nonEmpty("must not be empty"), maxLength(60_000)),
      signature: pipe(string(), regex(/^[A-Za-z0-9+/]+={0,2}$/, "must be base64"), maxLength(1_000)),
      reason,
    }),
    run: ({ services, role, peer }, order) => services.trust.installKeys({ role, peer }, order),
  }),
];
