// What was sampled of signal, place and usage, as far as it may leave the vehicle.
import { strictObject } from "valibot";
import { type Route, route } from "./route.ts";

export const sampleRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/samples",
    access: "engineer",
    summary:
      "Samples of signal, place and usage since the present owner has the vehicle, oldest first, a JSON line each. `kept` names what was recorded and " +
      "a market keeps on the vehicle (`[market.<ISO>] keeps`).",
    answer: "simward/sample/1",
    input: strictObject({}),
    async *lines({ services, role, peer }) {
      await services.auditAdminAct("samples.read", role, peer, {});
      for await (const sample of services.samples.leaving()) yield JSON.stringify({ schema: "simward/sample/1", ...sample });
    },
  }),
];
