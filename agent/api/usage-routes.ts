// Routes of how much data has passed: against caps, day by day for invoices, and what an admin orders until the period's end.
import { integer, maxValue, minValue, number, optional, pipe, regex, strictObject, string } from "valibot";
import { SimwardError } from "../../base/errors.ts";
import { reason, text } from "./input.ts";
import { type Route, type RouteContext, route } from "./route.ts";
import { roles } from "./types.ts";

const date = pipe(string(), regex(/^\d{4}-\d{2}-\d{2}$/, "must be RFC 3339 full-date, e.g. 2026-06-01"));
const cap = optional(text(80), "all");

/** Whom `[api] usage_access` shows no usage does not get it here either. */
function needAccess({ services, role }: RouteContext): void {
  const least = services.usageAccess;
  if (roles.indexOf(role) < roles.indexOf(least))
    throw new SimwardError("API_FORBIDDEN", { detail: `usage needs ${least}.sock (api.usage_access); this is ${role}.sock` });
}

async function* lines(context: RouteContext, from: string | undefined, to: string | undefined): AsyncIterable<string> {
  for await (const row of context.services.usage.usageRows(from, to)) yield JSON.stringify(row);
}

export const usageRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/usage",
    access: "viewer",
    summary:
      "How much has passed in this period, by profile, stage and party; how it stands with each cap, and what is foreseen. For the roles of `[api] usage_access`.",
    answer: "simward/usage/1",
    input: strictObject({}),
    run: async (context) => {
      needAccess(context);
      return context.services.usage.usage();
    },
  }),
  route({
    method: "GET",
    path: "/v1/usage/export",
    access: "viewer",
    summary:
      "The same by days (UTC), a line a day, profile, stage and party, from the day `from` to the day `to`, for invoices. For the roles of `[api] usage_access`.",
    answer: "simward/usage-row/1",
    example: "from=2026-06-01&to=2026-06-30",
    input: strictObject({ from: optional(date), to: optional(date) }),
    lines: (context, { from, to }) => {
      needAccess(context);
      return lines(context, from, to);
    },
  }),
  route({
    method: "POST",
    path: "/v1/usage/limit",
    access: "admin",
    summary:
      "Another limit for `cap` (`all`, or as `GET /v1/usage` names it) until the period's end; without `bytes` the configured one holds again. `API_INPUT` where it is " +
      "not larger than the reserve for management.",
    answer: "simward/usage/1",
    example: '{"cap":"all","bytes":600000000,"reason":"topped up"}',
    input: strictObject({ cap, bytes: optional(pipe(number(), integer(), minValue(1), maxValue(2 ** 47))), reason }),
    run: ({ services, role, peer }, order) => services.usage.limitUsage({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/usage/reset",
    access: "admin",
    summary: "What was used until now does not count against `cap` in this period any more. What was counted for invoices stays.",
    answer: "simward/usage/1",
    example: '{"cap":"all","reason":"SIM tested by the operator"}',
    input: strictObject({ cap, reason }),
    run: ({ services, role, peer }, order) => services.usage.resetUsage({ role, peer }, order),
  }),
];
