// The route of the bug report.
import { optional, strictObject } from "valibot";
import { reason } from "./input.ts";
import { type Route, route } from "./route.ts";

export const bugreportRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/v1/bugreport",
    access: "engineer",
    summary:
      "Status, doctor, configuration, policy, net, usage, versions and the ends of audit trail, log, events and traces as files of text, redacted: no secret " +
      "and no whole identifier is in them. `simward bugreport` makes an archive of it. Its `id` is audited.",
    answer: "simward/bugreport/1",
    example: '{"reason":"ticket 123"}',
    input: strictObject({ reason: optional(reason) }),
    run: ({ services, role, peer }, order) => services.bugreport.make({ role, peer }, order.reason),
  }),
];
