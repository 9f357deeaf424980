// Mutated requests over all three sockets of a running agent on the virtual vehicle: documented answers only, no role crossed, nothing grows, and it goes on
// answering. FUZZ_RUNS sets the number of requests; `make fuzz` takes 100,000.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { codesByStatus } from "../../agent/api/http-status.ts";
import { apiLimits } from "../../agent/api/limits.ts";
import type { Route } from "../../agent/api/route.ts";
import { routes } from "../../agent/api/routes.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import { type Role, roles } from "../../agent/api/types.ts";
import { createClient } from "../../agent/cli/client.ts";
import { type ErrorCode, errorTable } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { FaultBench, pkiOfBenches } from "../support/fault-bench.ts";
import { heapBytes, openDescriptors } from "../support/memory.ts";
import { answerTypes, expectAnswer } from "../support/openapi.ts";
import { answersIn, say } from "../support/raw-http.ts";

const runs = Number(process.env.FUZZ_RUNS ?? 10_000);
const atOnce = 8;

interface Asked {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Its length is what content-length says, so that an answer may be waited for. */
  readonly isWhole: boolean;
}

const nasty = fc.constantFrom(
  "",
  "\u0000",
  "../../etc/passwd",
  "x".repeat(5_000),
  "💥",
  "\ud800",
  "-1",
  "1e309",
  "true",
  "{{7*7}}",
  "';--",
  "\r\nx: y",
);
const key = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "prototype", "toString", "schema", "reason", "target"),
  fc.string({ maxLength: 12 }),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  nasty,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 3 }),
);

/** The example of a route with a field changed, added or taken away. */
const bent = (route: Route): fc.Arbitrary<string> => {
  const example = route.method === "GET" ? {} : (JSON.parse(route.example ?? "{}") as Record<string, unknown>);
  return fc
    .tuple(
      fc.constantFrom("as it is", "field", "field", "field", "lacks", "pollute"),
      fc.oneof(fc.constantFrom("reason", ...Object.keys(example)), key),
      value,
    )
    .map(([how, name, other]) => {
      if (how === "as it is") return JSON.stringify(example);
      if (how === "pollute")
        return JSON.stringify(example).replace(/^\{/, `{"__proto__":{"access":"viewer","role":"admin"},`).replace(/,\}$/, "}");
      if (how === "lacks") return JSON.stringify(Object.fromEntries(Object.entries(example).filter(([one]) => one !== name)));
      return JSON.stringify({ ...example, [name]: other });
    });
};

const bodyOf = (route: Route): fc.Arbitrary<Buffer> =>
  fc.oneof(
    { weight: 6, arbitrary: bent(route).map((text) => Buffer.from(text)) },
    { weight: 2, arbitrary: value.map((any) => Buffer.from(JSON.stringify(any) ?? "")) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 40_000 }).map((depth) => Buffer.from("[".repeat(depth))) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1, max: 20_000 }).map((depth) => Buffer.from(`${'{"facts":'.repeat(depth)}1${"}".repeat(depth)}`)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets)) },
    { weight: 1, arbitrary: fc.constant(Buffer.alloc(70_000, 0x20)) },
  );

const tricks: readonly ((path: string) => string)[] = [
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => path.toUpperCase(),
  (path) => path.replace("/v1/", "/v1/./"),
  (path) => path.replace("/v1/", "/v1/../v1/"),
  (path) => path.replace("/v1/", "/v1%2f"),
  (path) => path.replace("e", "%65"),
  (path) => `${path};x=1`,
  (path) => `${path}#x`,
  (path) => `http://localhost${path}`,
  (path) => `/v1/status?${path}`,
  (path) => `${path}%00`,
  () => "/v1/__proto__",
  () => "*",
];

const targetOf = (route: Route): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 5, arbitrary: fc.constant((path: string) => path) },
        { weight: 1, arbitrary: fc.constantFrom(...tricks) },
        { weight: 1, arbitrary: fc.webPath().map((path) => () => path || "/") },
      ),
      fc.oneof(
        { weight: 3, arbitrary: fc.constant(route.method === "GET" ? (route.example ?? "") : "") },
        { weight: 2, arbitrary: fc.webQueryParameters() },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            "after=0",
            "last=1&last=2",
            "__proto__=1",
            "last=9".repeat(400),
            "after=99999999999999999",
            "%",
            "%ff=%ff",
          ),
        },
      ),
    )
    .map(([trick, query]) => `${trick(route.path)}${query === "" ? "" : `?${query}`}`);

const otherMethods = ["HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "get", "PROPFIND", "QUERY", "X", ""];

const request: fc.Arbitrary<Asked> = fc.constantFrom(...routes).chain((route) =>
  fc
    .record({
      method: fc.oneof(
        { weight: 8, arbitrary: fc.constant<string>(route.method) },
        { weight: 1, arbitrary: fc.constantFrom("GET", "POST", "PUT") },
        { weight: 1, arbitrary: fc.constantFrom(...otherMethods) },
      ),
      target: targetOf(route),
      body: route.method === "GET" ? fc.oneof({ weight: 5, arbitrary: fc.constant(Buffer.alloc(0)) }, bodyOf(route)) : bodyOf(route),
      header: fc.constantFrom(
        "",
        "",
        "",
        "",
        "expect: 100-continue",
        "upgrade: h2c",
        "x-role: admin",
        "content-type: text/xml",
        "host: a\r\nhost: b",
        "x".repeat(9_000),
      ),
      framing: fc.constantFrom("length", "length", "length", "length", "length", "length", "chunked", "wrong", "both", "cut"),
    })
    .map(({ method, target, body, header, framing }) => {
      const length = `content-length: ${framing === "wrong" ? body.length + 7 : body.length}`;
      const chunked = ["chunked", "both"].includes(framing) ? ["transfer-encoding: chunked"] : [];
      return {
        method,
        target,
        headers: [...(framing === "chunked" ? [] : [length]), ...chunked, ...(header === "" ? [] : [header]), "connection: close"],
        body: framing === "cut" ? body.subarray(0, body.length >> 1) : chunked.length > 0 ? chunksOf(body) : body,
        isWhole: framing === "length" || framing === "chunked",
      };
    }),
);

function chunksOf(body: Buffer): Buffer {
  if (body.length === 0) return Buffer.from("0\r\n\r\n");
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);
}

const octetsOf = ({ method, target, headers, body }: Asked): Buffer =>
  Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`), body]);

let dir = "";
let bench: FaultBench;
let server: ApiServer | undefined;
let isDriven = true;
let driving: Promise<void>;
const crossed: string[] = [];
const reached = new Map<string, number>();
const internal: unknown[] = [];
let speaker: Role = "viewer";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-fuzz-"));
  bench = new FaultBench({ pki: pkiOfBenches(), seed: 1 });
  bench.start();
  await bench.until("first poll", () => bench.polls > 0);
  if (bench.agent === undefined) throw new Error("no agent lives");
  // Whatever a request says it is, the socket that it came by is known here.
  for (const route of routes)
    for (const kind of ["run", "stream", "lines"] as const) {
      const own = route[kind] as ((...args: unknown[]) => unknown) | undefined;
      if (own === undefined) continue;
      Object.assign(route, {
        [kind]: (...args: unknown[]) => {
          reached.set(`${route.method} ${route.path}`, (reached.get(`${route.method} ${route.path}`) ?? 0) + 1);
          if (roles.indexOf(speaker) < roles.indexOf(route.access)) crossed.push(`${speaker}: ${route.method} ${route.path}`);
          return own(...args);
        },
      });
    }
  const unbounded = { burst: Number.MAX_SAFE_INTEGER, perSecond: 1 };
  const log = { ...silentLog, error: (...what: unknown[]) => void internal.push(what) };
  server = await serveApi({ dir }, bench.agent, log, {
    clock: bench.clock,
    limits: { ...apiLimits, requests: unbounded, writes: unbounded },
  });
  driving = (async () => {
    while (isDriven) {
      await bench.clock.advance(Math.min(bench.clock.nextTimerInMs() ?? 100, 100));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
});
afterAll(async () => {
  isDriven = false;
  await driving;
  await server?.close();
  await bench.stop();
  await rm(dir, { recursive: true, force: true });
});

const codes: ReadonlyMap<number, readonly ErrorCode[]> = codesByStatus();
const statuses = new Map<number, number>();

function check(asked: Asked, role: Role, text: string): void {
  const isStream = text.includes("application/x-ndjson");
  for (const { status, body } of answersIn(text)) {
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status === 100 || status === 204) continue;
    if (status === 200) {
      const known = routes.find(
        ({ method, path }) => path === asked.target.split("?")[0] && (method === asked.method || asked.method === "HEAD"),
      );
      expect(known === undefined ? -1 : roles.indexOf(known.access), `${role} ${asked.method} ${asked.target}`).toBeLessThanOrEqual(
        roles.indexOf(role),
      );
      if (isStream || body === "" || known?.text !== undefined) continue;
      expect(JSON.parse(body).schema).toBe(known?.answer);
      continue;
    }
    // Of HEAD there is only the head.
    if (body === "") continue;
    const document = JSON.parse(body);
    expectAnswer(document);
    const code = document.error.code as ErrorCode;
    expect(code in errorTable).toBe(true);
    const documented =
      codes.get(status)?.includes(code) || (status === 408 && code === "DEADLINE") || (status === 431 && code === "API_TOO_LARGE");
    expect(documented, `${status} ${code}`).toBe(true);
  }
}

test(`${runs} requests of all kinds: documented answers, no role crossed, nothing stays`, { timeout: 3_600_000 }, async () => {
  // What makes the schemas stays loaded.
  answerTypes();
  const descriptors = openDescriptors();
  let answered = 0;
  // The agent's rings of events and traces fill up first, and stay full.
  let fullBytes = 0;
  for (let at = 0; at < runs; at += atOnce) {
    if (at >= runs / 4 && fullBytes === 0) fullBytes = heapBytes();
    speaker = roles[(at / atOnce) % roles.length] ?? "viewer";
    const path = join(dir, `${speaker}.sock`);
    // Made as they are needed: all of them together would be larger than what they are to prove bounded.
    const some = fc.sample(request, { seed: 20261122 + at, numRuns: Math.min(atOnce, runs - at) });
    await Promise.all(
      some.map(async (asked) => {
        const text = await say(path, octetsOf(asked), {
          halfClose: !asked.isWhole,
          quietMs: 30_000,
          enough: (piece) => piece.includes("x-ndjson"),
        });
        if (text !== "") answered++;
        else expect([asked.isWhole, asked.method, asked.target]).toEqual([false, asked.method, asked.target]);
        check(asked, speaker, text);
      }),
    );
  }
  expect(crossed).toEqual([]);
  expect(internal).toEqual([]);
  // Most of the table was reached, and most kinds of answers were given.
  expect(answered).toBeGreaterThan(runs / 2);
  expect(reached.size).toBeGreaterThan(routes.length / 2);
  for (const status of [200, 400, 403, 404, 405]) expect(statuses.get(status), String(status)).toBeGreaterThan(0);
  for (const role of roles)
    expect(await createClient(join(dir, `${role}.sock`), 30_000).call("GET", "/v1/status")).toMatchObject({ schema: "simward/status/1" });
  expect(({} as Record<string, unknown>).access).toBeUndefined();
  await expect.poll(() => server?.connections, { timeout: 20_000 }).toBe(0);
  expect(openDescriptors()).toBeLessThanOrEqual(descriptors + 8);
  expect(heapBytes()).toBeLessThan(fullBytes + 32 * 1024 * 1024);
});
