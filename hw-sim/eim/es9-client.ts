// ES9+ from the eIM to an SM-DP+: JSON over HTTPS (SGP.22 §6.5), the server's certificate verified under the RSP CI.
import type { ClientRequest } from "node:http";
import { request } from "node:https";
import { concatBytes } from "../../base/bytes.ts";
import { type Clock, deadline } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../smdp/json.ts";
import type { Es9Post } from "./forwarding.ts";

export interface Es9ClientOptions {
  /** CI certificates, PEM. */
  readonly caPem: readonly string[];
  readonly clock: Clock;
  /** 30,000 by default. */
  readonly timeoutMs?: number;
}

const maxAnswerBytes = 8 << 20;

/** Throws HTTP_CONNECT, HTTP_TIMEOUT, HTTP_STATUS, HTTP_TOO_LARGE, RSP_SERVER. */
export function createEs9Client({ caPem, clock, timeoutMs = 30_000 }: Es9ClientOptions): Es9Post {
  return async (address, functionName, body) => {
    const where = `${address} ${functionName}`;
    const limit = deadline(clock, timeoutMs, () => new SimwardError("HTTP_TIMEOUT", { detail: where }));
    try {
      const { status, text } = await exchange(address, functionName, JSON.stringify(body), caPem, limit.signal, where);
      if (status === 204) return undefined;
      if (status !== 200) throw new SimwardError("HTTP_STATUS", { detail: `${where}: ${status}`, data: { status } });
      return text === "" ? undefined : parse(text, where);
    } finally {
      limit.done();
    }
  };
}

function exchange(
  address: string,
  functionName: string,
  body: string,
  caPem: readonly string[],
  signal: AbortSignal,
  where: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const match = /^(.+?)(?::(\d+))?$/.exec(address);
  const host = match?.[1] ?? address;
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(signal.aborted ? signal.reason : new SimwardError("HTTP_CONNECT", { detail: `${where}: ${cause.message}`, cause }));
    const outgoing: ClientRequest = request(
      {
        host,
        port: Number(match?.[2] ?? 443),
        path: `/gsma/rsp2/es9plus/${functionName}`,
        method: "POST",
        ca: [...caPem],
        minVersion: "TLSv1.2",
        // No connection is kept: an eIM's calls are minutes apart.
        agent: false,
        signal,
        headers: {
          "Content-Type": "application/json;charset=UTF-8",
          "X-Admin-Protocol": "gsma/rsp/v2.5.0",
          "User-Agent": "gsma-rsp-ipad",
          "Content-Length": Buffer.byteLength(body),
        },
      },
      (response) => {
        const chunks: Uint8Array[] = [];
        let bytes = 0;
        response.on("data", (chunk: Uint8Array) => {
          bytes += chunk.length;
          if (bytes <= maxAnswerBytes) chunks.push(chunk);
          else outgoing.destroy(new SimwardError("HTTP_TOO_LARGE", { detail: where }));
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: new TextDecoder().decode(concatBytes(...chunks)) }));
        response.on("error", failed);
      },
    );
    outgoing.on("error", (cause) => (cause instanceof SimwardError ? reject(cause) : failed(cause)));
    outgoing.end(body);
  });
}

function parse(text: string, where: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new SimwardError("RSP_SERVER", { detail: `${where}: the answer is no JSON object` });
}
