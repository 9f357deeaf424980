// The route about the private APN's tunnel.
import { strictObject } from "valibot";
import { type Route, route } from "./route.ts";

export const tunnelRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/tunnel",
    access: "viewer",
    summary:
      "The private APN's tunnel: whether it is up, its gateway, addresses, algorithms and octets, why it is not, and when its certificates end.",
    answer: "simward/tunnel/1",
    input: strictObject({}),
    run: async ({ services }) => services.tunnel(),
  }),
];
