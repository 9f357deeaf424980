// What simward-netd tells of the tunnel, checked as anything that comes over a socket.
import { array, boolean, type InferOutput, literal, number, object, optional, parse, string, variant } from "valibot";
import { type ErrorCode, errorTable, SimwardError } from "../../base/errors.ts";

const readingSchema = object({
  running: boolean(),
  attempt: variant("state", [
    object({ state: literal("none") }),
    object({ state: literal("under-way") }),
    object({ state: literal("done") }),
    object({ state: literal("failed"), code: string(), detail: string() }),
  ]),
  sa: optional(
    object({
      name: string(),
      localAddress: string(),
      remoteAddress: string(),
      localId: string(),
      remoteId: string(),
      isLocal: boolean(),
      virtualIps: array(string()),
      establishedSeconds: optional(number()),
      rekeySeconds: optional(number()),
      algorithms: string(),
      children: array(
        object({ localTs: array(string()), remoteTs: array(string()), receivedBytes: number(), sentBytes: number(), algorithms: string() }),
      ),
    }),
  ),
  nameServers: array(string()),
});
export type TunnelReading = InferOutput<typeof readingSchema>;

/** Throws NETD_FAILED. */
export function parseReading(data: unknown): TunnelReading {
  try {
    return parse(readingSchema, data);
  } catch (error) {
    throw new SimwardError("NETD_FAILED", { detail: "tunnel-read answered something else", cause: error });
  }
}

/** Why there is no tunnel; undefined while an attempt is under way. */
export function problemIn({ running, attempt }: TunnelReading): SimwardError | undefined {
  if (!running) return new SimwardError("TUNNEL_ABSENT", { detail: "simward-netd finds nobody" });
  switch (attempt.state) {
    case "under-way":
      return undefined;
    case "failed": {
      const code = Object.hasOwn(errorTable, attempt.code) ? (attempt.code as ErrorCode) : "TUNNEL_FAILED";
      return new SimwardError(code, { detail: attempt.detail });
    }
    case "done":
      return new SimwardError("TUNNEL_UNREACHABLE", { detail: "it has ended: the gateway closed it, or did not answer any more" });
    case "none":
      return new SimwardError("TUNNEL_FAILED", { detail: "charon or simward-netd has been started anew" });
  }
}
