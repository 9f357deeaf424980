// The command line's end of the local API: HTTP/JSON over a UNIX socket.
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { type ErrorCode, errorTable, SimwardError } from "../../base/errors.ts";
import type { ApiError } from "../api/types.ts";

export interface ApiClient {
  /** Throws API_NOT_RUNNING, API_RESPONSE, DEADLINE, and the daemon's own errors. */
  call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T>;
  /** Ends when the daemon ends, `signal` aborts, or `onLine` answers false. */
  lines(path: string, onLine: (line: unknown) => boolean, signal?: AbortSignal): Promise<void>;
}

const maxResponseBytes = 16 * 1024 * 1024;

export function createClient(socketPath: string, timeoutMs: number): ApiClient {
  const open = (
    method: string,
    path: string,
    body: string | undefined,
    timeout: number | undefined,
  ): Promise<{ request: ClientRequest; response: IncomingMessage }> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const req = request({ socketPath, method, path, headers, agent: false, ...(timeout === undefined ? {} : { timeout }) });
      req.once("response", (response) => resolve({ request: req, response }));
      req.once("timeout", () => req.destroy(new SimwardError("DEADLINE", { detail: `${method} ${path} after ${timeoutMs} ms` })));
      req.once("error", (error) => reject(connectionError(error, socketPath)));
      req.end(body);
    });

  return {
    async call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
      const { response } = await open(method, path, body === undefined ? undefined : JSON.stringify(body), timeoutMs);
      const text = await readAll(response);
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (error) {
        throw new SimwardError("API_RESPONSE", { detail: `${method} ${path}`, cause: error });
      }
      if (response.statusCode === 200) return value as T;
      throw errorFrom(value);
    },
    async lines(path, onLine, signal) {
      const { request: req, response } = await open("GET", path, undefined, undefined);
      if (response.statusCode !== 200) throw errorFrom(JSON.parse(await readAll(response)));
      const stop = (): void => {
        req.destroy();
      };
      signal?.addEventListener("abort", stop, { once: true });
      let rest = "";
      try {
        for await (const chunk of response as AsyncIterable<Buffer>) {
          rest += chunk.toString("utf8");
          const parts = rest.split("\n");
          rest = parts.pop() ?? "";
          for (const part of parts) {
            if (part === "" || onLine(JSON.parse(part))) continue;
            return;
          }
        }
      } catch (error) {
        if (signal?.aborted !== true) throw connectionError(error as Error, socketPath);
      } finally {
        signal?.removeEventListener("abort", stop);
        req.destroy();
      }
    },
  };
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxResponseBytes) throw new SimwardError("API_RESPONSE", { detail: `more than ${maxResponseBytes} octets` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function connectionError(error: Error & { readonly code?: string }, socketPath: string): SimwardError {
  if (error instanceof SimwardError) return error;
  if (error.code === "EACCES") return new SimwardError("API_FORBIDDEN", { detail: `no permission to open ${socketPath}`, cause: error });
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED")
    return new SimwardError("API_NOT_RUNNING", { detail: socketPath, cause: error });
  return new SimwardError("API_RESPONSE", { detail: error.message, cause: error });
}

function errorFrom(value: unknown): SimwardError {
  const report = (value as Partial<ApiError>).error;
  const code: ErrorCode = report !== undefined && report.code in errorTable ? report.code : "API_RESPONSE";
  const text = errorTable[code].text;
  const detail = report?.message.startsWith(`${text}: `) ? report.message.slice(text.length + 2) : undefined;
  return new SimwardError(code, detail === undefined ? {} : { detail });
}
