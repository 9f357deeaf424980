// The command line's end of the local API: HTTP/JSON over a UNIX socket.
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { errorTable, SimwardError } from "../../base/errors.ts";
import { inTrace } from "../../base/trace.ts";
import type { ApiError } from "../api/types.ts";

export interface ApiClient {
  /** Throws API_NOT_RUNNING, API_GONE, API_RESPONSE, API_FORBIDDEN, DEADLINE, ABORTED, and the daemon's own errors. */
  call<T>(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<T>;
  /** `left` when `onLine` answered false or `signal` aborted, `ended` when the daemon ended the stream. */
  /** `onOpen` is told when the daemon has begun to answer: what happens from then on is among the lines. */
  lines(path: string, onLine: (line: unknown) => boolean, signal?: AbortSignal, onOpen?: () => void): Promise<"left" | "ended">;
  /** The same, with each line as it came. */
  textLines(path: string, onLine: (line: string) => boolean, signal?: AbortSignal, onOpen?: () => void): Promise<"left" | "ended">;
}

const maxResponseBytes = 16 * 1024 * 1024;

/** `reason` goes with whatever changes something. `signal` ends whatever the client waits for; what the daemon has begun goes on. */
export function createClient(socketPath: string, timeoutMs: number, signal?: AbortSignal, reason?: string): ApiClient {
  const open = (
    method: string,
    path: string,
    body: string | undefined,
    timeout: number | undefined,
    leaving?: AbortSignal,
  ): Promise<{ request: ClientRequest; response: IncomingMessage }> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const options = { socketPath, method, path, headers, agent: false, ...(timeout === undefined ? {} : { timeout }) };
      const req = request({ ...options, ...(signal === undefined ? {} : { signal }) });
      // A daemon that hangs takes the connection and answers nothing.
      const leave = (): void => {
        req.destroy(new SimwardError("ABORTED"));
      };
      leaving?.addEventListener("abort", leave, { once: true });
      let answer: IncomingMessage | undefined;
      req.once("response", (response) => {
        answer = response;
        leaving?.removeEventListener("abort", leave);
        resolve({ request: req, response });
      });
      req.once("timeout", () => {
        const late = new SimwardError("DEADLINE", { detail: `${method} ${path} after ${timeoutMs} ms` });
        answer?.destroy(late);
        req.destroy(late);
      });
      // It may fail again once it has been answered.
      req.on("error", (error) => reject(connectionError(error, socketPath, signal)));
      req.end(body);
    });

  const textLines: ApiClient["textLines"] = async (path, onLine, leaving, onOpen) => {
    if (leaving?.aborted) return "left";
    const opened = await open("GET", path, undefined, undefined, leaving).catch((error: unknown) => {
      if (leaving?.aborted) return undefined;
      throw error;
    });
    if (opened === undefined) return "left";
    const { request: req, response } = opened;
    if (response.statusCode !== 200) throw errorFrom(parse(await readAll(response, socketPath, signal), path), retryAfterOf(response));
    onOpen?.();
    const leave = (): void => {
      req.destroy();
    };
    if (leaving?.aborted) leave();
    leaving?.addEventListener("abort", leave, { once: true });
    let rest = "";
    try {
      for await (const text of response.setEncoding("utf8") as AsyncIterable<string>) {
        rest += text;
        if (rest.length > maxResponseBytes)
          throw new SimwardError("API_RESPONSE", { detail: `a line of more than ${maxResponseBytes} characters` });
        const parts = rest.split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts) if (part !== "" && !onLine(part)) return "left";
      }
    } catch (error) {
      if (leaving?.aborted) return "left";
      if (error instanceof SimwardError) throw error;
      const known = connectionError(error as Error, socketPath, signal);
      // A daemon that ends, or lets a listener go, does not say good-bye.
      if (known.code !== "API_RESPONSE" && known.code !== "API_GONE") throw known;
    } finally {
      leaving?.removeEventListener("abort", leave);
      req.destroy();
    }
    return leaving?.aborted ? "left" : "ended";
  };

  return {
    textLines,
    lines: (path, onLine, leaving, onOpen) =>
      textLines(
        path,
        (text) => {
          const line = parse(text, path);
          // What fails after the first octet is told in the last line.
          if ((line as Partial<ApiError> | null)?.schema === "simward/error/1") throw errorFrom(line);
          return onLine(line);
        },
        leaving,
        onOpen,
      ),
    async call<T>(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<T> {
      const target = method === "GET" || reason === undefined ? path : `${path}?reason=${encodeURIComponent(reason)}`;
      const { response } = await open(method, target, body === undefined ? undefined : JSON.stringify(body), timeoutMs);
      const value = parse(await readAll(response, socketPath, signal), `${method} ${path}`);
      if (response.statusCode === 200) return value as T;
      throw errorFrom(value, retryAfterOf(response));
    },
  };
}

async function readAll(response: IncomingMessage, socketPath: string, signal: AbortSignal | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxResponseBytes) throw new SimwardError("API_RESPONSE", { detail: `more than ${maxResponseBytes} octets` });
      chunks.push(chunk);
    }
  } catch (error) {
    throw connectionError(error as Error, socketPath, signal);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SimwardError("API_RESPONSE", { detail: what, cause: error });
  }
}

function connectionError(error: Error & { readonly code?: string }, socketPath: string, signal: AbortSignal | undefined): SimwardError {
  if (error instanceof SimwardError) return error;
  if (signal?.aborted) return new SimwardError("ABORTED", { cause: error });
  if (error.code === "EACCES")
    return new SimwardError("API_FORBIDDEN", { detail: `no permission to open ${socketPath}: its group may, and root`, cause: error });
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ENOTDIR")
    return new SimwardError("API_NOT_RUNNING", { detail: socketPath, cause: error });
  if (error.code === "ECONNRESET" || error.code === "EPIPE") return new SimwardError("API_GONE", { detail: socketPath, cause: error });
  return new SimwardError("API_RESPONSE", { detail: error.message, cause: error });
}

/** RFC 9110 §10.2.3, in seconds. */
function retryAfterOf({ headers }: IncomingMessage): number | undefined {
  const text = headers["retry-after"];
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** `retryAfterSeconds` goes with it as data. */
function errorFrom(value: unknown, retryAfterSeconds?: number): SimwardError {
  const report = (value as Partial<ApiError> | null)?.error;
  // A daemon of another version may have codes that are not known here.
  if (report === undefined || !(report.code in errorTable))
    return new SimwardError("API_RESPONSE", { detail: report?.message ?? "no error of simward" });
  const { text } = errorTable[report.code];
  const detail = report.message.startsWith(`${text}: `) ? report.message.slice(text.length + 2) : undefined;
  const data = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  const context = { next: report.next, data, ...(detail === undefined ? {} : { detail }) };
  // What it happened in is the daemon's to say.
  return inTrace(report.ref, () => new SimwardError(report.code, context));
}
