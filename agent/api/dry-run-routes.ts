// The route that tells what another one would send.
import { maxLength, picklist, pipe, startsWith, strictObject, string, unknown } from "valibot";
import { type Route, route } from "./route.ts";

export const dryRunRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/v1/dry-run",
    access: "viewer",
    summary:
      "What a request that changes something would send: ES10 commands with their APDUs, AT lines, by the code that would send them. What only reads is read; " +
      "nothing is changed or audited. Refused as the request itself would be, by role, input, policy and state. `unknown` where it is not known before it runs.",
    answer: "simward/rehearsal/1",
    example: '{"method":"POST","path":"/v1/modem/reset","body":{"reason":"ticket 123"}}',
    input: strictObject({
      method: picklist(["POST", "PUT"]),
      path: pipe(string(), startsWith("/v1/", "must be a path of this API"), maxLength(200)),
      body: unknown(),
    }),
    run: ({ services, role, peer }, order) => services.dryRun({ role, peer }, order),
  }),
];
