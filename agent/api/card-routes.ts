// Routes about the card: what it says of itself, its certificates and eIMs; notifications dropped and packages loaded by hand.
import { integer, literal, maxLength, maxValue, minValue, number, pipe, regex, strictObject, string } from "valibot";
import { reason } from "./input.ts";
import { type Route, route } from "./route.ts";

const nothing = strictObject({});

export const cardRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/card",
    access: "viewer",
    summary: "EID, EUICCInfo1 and EUICCInfo2, read from the eUICC now.",
    answer: "simward/card/1",
    input: nothing,
    run: ({ services }) => services.card.cardInfo(),
  }),
  route({
    method: "GET",
    path: "/v1/card/certs",
    access: "viewer",
    summary: "The certificates of the eUICC and of its maker (ES10b.GetCerts, SGP.32 §5.9.10).",
    answer: "simward/card-certs/1",
    input: nothing,
    run: ({ services }) => services.card.certificates(),
  }),
  route({
    method: "GET",
    path: "/v1/card/class",
    access: "viewer",
    summary: "What is in the slot, what that is told by, and what can be done with it.",
    answer: "simward/card-class/1",
    input: nothing,
    run: ({ services }) => services.card.cardClass(),
  }),
  route({
    method: "GET",
    path: "/v1/eims",
    access: "viewer",
    summary: "The eIMs associated with the eUICC, as it holds them (ES10b.GetEimConfigurationData); keys as fingerprints.",
    answer: "simward/eims/1",
    input: nothing,
    run: ({ services }) => services.card.eims(),
  }),
  route({
    method: "POST",
    path: "/v1/notifications/drop",
    access: "admin",
    summary:
      "Takes a notification from the eUICC without delivering it: the SM-DP+ will never know, and may count the profile as lost. " +
      "Only with `force`, and a reason, which is audited.",
    answer: "simward/notification-dropped/1",
    example: '{"seqNumber":7,"force":true,"reason":"ticket 123"}',
    input: strictObject({
      seqNumber: pipe(number(), integer(), minValue(0), maxValue(0xffff_ffff)),
      force: literal(true, "must be true: the SM-DP+ will never know"),
      reason,
    }),
    run: ({ services, role, peer }, order) => services.card.dropNotification({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/packages/load",
    access: "admin",
    summary:
      "Gives the eUICC a package of an eIM that came some other way (EuiccPackageRequest, or TransferEimPackageRequest around it), in hex, octet for octet. The eUICC " +
      "checks the eIM's signature; policy and an emergency hold as for any other. With a reason, which is audited.",
    answer: "simward/package-loaded/1",
    example: '{"package":"BF51030A0100","reason":"ticket 123"}',
    input: strictObject({ package: pipe(string(), regex(/^([0-9A-Fa-f]{2})+$/, "must be hex"), maxLength(60_000)), reason }),
    run: ({ services, role, peer }, order) => services.card.loadPackage({ role, peer }, order),
  }),
];
