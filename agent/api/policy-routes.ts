// Routes of what policies say: now, of facts that somebody made up, and of the trail.
import { isoTimestamp, optional, pipe, strictObject, string } from "valibot";
import { simulatedFacts } from "../policy/report.ts";
import { type Route, route } from "./route.ts";

const time = pipe(string(), isoTimestamp("must be RFC 3339, e.g. 2026-06-01T00:00:00Z"));

export const policyRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/policy",
    access: "viewer",
    summary: "What each rule says now and why, and the verdict in force on the fleet's traffic.",
    answer: "simward/policy/1",
    input: strictObject({}),
    run: async ({ services }) => services.policy.explain(),
  }),
  route({
    method: "POST",
    path: "/v1/policy/simulate",
    access: "viewer",
    summary: "What the rules would say of these facts. Nothing is done.",
    answer: "simward/policy/1",
    example: '{"facts":{"lock":{"state":"mismatch","differs":["imei"]}}}',
    input: strictObject({ facts: simulatedFacts }),
    run: async ({ services }, { facts }) => services.policy.simulate(facts),
  }),
  route({
    method: "POST",
    path: "/v1/policy/replay",
    access: "viewer",
    summary:
      "What the rules, as they are configured now, would have said along the audit trail: each change of a verdict. Nothing is done.",
    answer: "simward/policy-replay/1",
    example: '{"from":"2026-01-01T00:00:00Z"}',
    input: strictObject({ from: optional(time), to: optional(time) }),
    run: ({ services }, query) => services.policy.replay(query),
  }),
];
