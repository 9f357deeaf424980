// What a client of the local API may take, and that nobody else pays for it: slow, silent, half-open, pipelining, malformed, too many.
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ApiLimits, apiLimits } from "../../../agent/api/limits.ts";
import type { ApiServices } from "../../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { createClient } from "../../../agent/cli/client.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { quietServices } from "../../support/quiet-services.ts";
import { answersIn, hold, say } from "../../support/raw-http.ts";

let dir = "";
let server: ApiServer | undefined;
let clock: VirtualClock;
const errors: unknown[] = [];

const at = (role: string): string => join(dir, `${role}.sock`);
const client = (role: string) => createClient(at(role), 10_000);
const isWell = async (): Promise<void> => {
  for (const role of ["viewer", "engineer", "admin"])
    expect(await client(role).call("GET", "/v1/status")).toMatchObject({ schema: "simward/status/1" });
};

async function serve(limits: Partial<ApiLimits> = {}, services: Partial<ApiServices> = {}): Promise<void> {
  await server?.close();
  clock = new VirtualClock();
  const log = { ...silentLog, error: (...what: unknown[]) => void errors.push(what) };
  server = await serveApi({ dir }, { ...quietServices(), ...services }, log, { clock, limits: { ...apiLimits, ...limits } });
}

/** Status and code of each answer. */
async function said(role: string, octets: string | Uint8Array, options = {}): Promise<string[]> {
  return answersIn(await say(at(role), octets, options)).map(({ status, body }) => {
    if (body === "") return String(status);
    const { schema, error } = JSON.parse(body);
    return `${status} ${schema === "simward/error/1" ? error.code : schema}`;
  });
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-bounds-"));
  errors.length = 0;
  await serve();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(dir, { recursive: true, force: true });
  expect(errors).toEqual([]);
});

describe("what is no request", () => {
  const cases: readonly (readonly [string, string | Uint8Array, string])[] = [
    ["no HTTP at all", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000", "400 API_INPUT"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 API_INPUT"],
    ["headers without end", `GET /v1/status HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, "431 API_TOO_LARGE"],
    ["a path without end", `GET /${"y".repeat(20_000)} HTTP/1.1\r\n\r\n`, "431 API_TOO_LARGE"],
    ["a length that is none", "POST /v1/eim/poll HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "400 API_INPUT"],
    ["two lengths", "POST /v1/eim/poll HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", "400 API_INPUT"],
    [
      "length and chunks (a request within a request)",
      "POST /v1/eim/poll HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/status HTTP/1.1\r\n\r\n",
      "400 API_INPUT",
    ],
    ["chunks of another name", "POST /v1/eim/poll HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", "400 API_INPUT"],
    ["folded headers", "GET /v1/status HTTP/1.1\r\nx: y\r\n z: 1\r\n\r\n", "400 API_INPUT"],
    ["a line feed alone in a header", "GET /v1/status HTTP/1.1\r\nx: y\nz: 1\r\n\r\n", "400 API_INPUT"],
    ["CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n\r\n", "405 API_METHOD"],
    ["a method of another protocol", "MKCOL /v1/status HTTP/1.1\r\n\r\n", "405 API_METHOD"],
  ];
  for (const [what, octets, answer] of cases)
    test(what, async () => {
      expect((await said("viewer", octets))[0]).toBe(answer);
      await isWell();
    });

  test("a request that is half of one is answered when its time is over, or left when its sender leaves", async () => {
    await serve({ headersMs: 300, requestMs: 600 });
    expect(await said("viewer", "GET /v1/status HT", { halfClose: false, quietMs: 9_000 })).toEqual(["408 DEADLINE"]);
    expect(
      await said("engineer", "POST /v1/eim/poll HTTP/1.1\r\ncontent-length: 9\r\n\r\n{", { halfClose: false, quietMs: 9_000 }),
    ).toEqual(["408 DEADLINE"]);
    expect(await said("viewer", "GET /v1/status HT")).toEqual(["400 API_INPUT"]);
    await isWell();
  });
});

describe("what is a request, if not a usual one", () => {
  test("a sender that says no more is answered; so are several requests at once, in their order", async () => {
    const get = "GET /v1/status HTTP/1.1\r\n\r\n";
    expect(await said("viewer", get)).toEqual(["200 simward/status/1"]);
    const poll = "POST /v1/eim/poll HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
    expect(await said("engineer", `${get}${poll}GET /v1/x HTTP/1.1\r\n\r\n${get}`)).toEqual([
      "200 simward/status/1",
      "200 simward/poll/1",
      "404 API_NOT_FOUND",
      "200 simward/status/1",
    ]);
  });

  test("an answer that is larger than what the line holds is whole, also for who announced a body and ends without it", async () => {
    const socket = connect({ path: at("viewer"), allowHalfOpen: true });
    socket.write("GET /v1/openapi.json HTTP/1.1\r\ncontent-length: 7\r\n\r\n");
    await once(socket, "readable");
    socket.end();
    // The server has seen the end by then, and nobody has read yet.
    await isWell();
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    const [answer] = answersIn(Buffer.concat(chunks).toString("latin1"));
    expect(JSON.parse(answer?.body ?? "")).toMatchObject({ openapi: "3.1.1" });
    await isWell();
  });

  test("what stands in the body of a refused request is not the next one", async () => {
    const inner = 'PUT /v1/emergency HTTP/1.1\r\ncontent-length: 15\r\n\r\n{"active":true}';
    expect(await said("viewer", `POST /v1/eim/poll HTTP/1.1\r\ncontent-length: ${inner.length}\r\n\r\n${inner}`)).toEqual([
      "403 API_FORBIDDEN",
    ]);
    expect(await said("engineer", `GET /v1/status HTTP/1.1\r\ncontent-length: ${inner.length}\r\n\r\n${inner}`)).toEqual([
      "200 simward/status/1",
    ]);
  });

  test("HEAD is GET without a body, OPTIONS names the methods", async () => {
    const [head] = answersIn(await say(at("viewer"), "HEAD /v1/events HTTP/1.1\r\n\r\n"));
    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head?.headers.get("content-type")).toBe("application/x-ndjson");
    const [options] = answersIn(await say(at("viewer"), "OPTIONS /v1/emergency HTTP/1.1\r\n\r\n"));
    expect([options?.status, options?.headers.get("allow")]).toEqual([204, "GET, HEAD, PUT, OPTIONS"]);
    expect(await said("viewer", "OPTIONS /v1/nothing HTTP/1.1\r\n\r\n")).toEqual(["404 API_NOT_FOUND"]);
  });

  test("a listener that sends a body besides is seen to leave", async () => {
    const listener = await hold(at("viewer"), `GET /v1/events HTTP/1.1\r\ncontent-length: 90000\r\n\r\n${"x".repeat(90_000)}`);
    await expect.poll(() => server?.connections).toBe(1);
    await isWell();
    listener.destroy();
    await expect.poll(() => server?.connections).toBe(0);
  });

  test("octets that are no UTF-8, and a name given twice, are refused by name", async () => {
    const head = Buffer.from("POST /v1/eim/poll HTTP/1.1\r\ncontent-length: 12\r\n\r\n");
    const octets = Buffer.concat([head, Buffer.from('{"eimId":"'), Uint8Array.of(0xc3, 0x28)]);
    const [answer] = answersIn(await say(at("engineer"), octets));
    expect(JSON.parse(answer?.body ?? "").error).toMatchObject({ code: "API_INPUT", message: expect.stringContaining("UTF-8") });
    expect(await said("viewer", "GET /v1/audit?last=1&last=2 HTTP/1.1\r\n\r\n")).toEqual(["400 API_INPUT"]);
  });

  test("nonsense is not answered at greater length than it has", async () => {
    const body = JSON.stringify({ rats: Array.from({ length: 5_000 }, () => "x".repeat(5)) });
    const [answer] = answersIn(await say(at("engineer"), `PUT /v1/radio/rats HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
    expect(answer?.status).toBe(400);
    expect(answer?.body.length).toBeLessThan(6_000);
  });
});

describe("too many", () => {
  const get = "GET /v1/status HTTP/1.1\r\n\r\n";

  test("requests of one user in too short a time: 429 with when to come again, on that socket alone", async () => {
    await serve({ requests: { burst: 3, perSecond: 2 } });
    expect(await said("viewer", get.repeat(5))).toEqual([
      ...Array.from({ length: 3 }, () => "200 simward/status/1"),
      "429 API_RATE",
      "429 API_RATE",
    ]);
    const [answer] = answersIn(await say(at("viewer"), get));
    expect([answer?.status, answer?.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await said("admin", get)).toEqual(["200 simward/status/1"]);
    await clock.advance(500);
    expect(await said("viewer", get.repeat(2))).toEqual(["200 simward/status/1", "429 API_RATE"]);
  });

  test("changes have a rate of their own, questions go on", async () => {
    await serve({ writes: { burst: 1, perSecond: 0.1 } });
    const put = 'PUT /v1/emergency HTTP/1.1\r\ncontent-length: 16\r\n\r\n{"active":false}';
    expect(await said("engineer", `${put}${put}${get}`)).toEqual(["200 simward/emergency/1", "429 API_RATE", "200 simward/status/1"]);
    const [, refused] = answersIn(await say(at("engineer"), `${put}${put}`));
    expect(refused?.headers.get("retry-after")).toBe("10");
  });

  test("work that clients have left is still counted, and no more is begun; other roles go on", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    await serve(
      { running: 4, runningOfUser: 4 },
      {
        profiles: async () => {
          begun++;
          await gate;
          return { schema: "simward/profiles/1", eid: "", profiles: [] };
        },
      },
    );
    for (let n = 0; n < 4; n++) (await hold(at("viewer"), "GET /v1/profiles HTTP/1.1\r\n\r\n")).unref();
    await expect.poll(() => begun).toBe(4);
    expect(await said("viewer", get)).toEqual(["503 QUEUE_FULL"]);
    expect(await said("admin", get)).toEqual(["200 simward/status/1"]);
    release();
    await expect.poll(() => said("viewer", get)).toEqual(["200 simward/status/1"]);
  });

  test("connections: the one idle for longest leaves, one that is at work stays", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    await serve(
      { connections: 3 },
      {
        profiles: async () => {
          begun++;
          await gate;
          return { schema: "simward/profiles/1", eid: "", profiles: [] };
        },
      },
    );
    const working = say(at("viewer"), "GET /v1/profiles HTTP/1.1\r\nconnection: close\r\n\r\n", { halfClose: false, quietMs: 20_000 });
    await expect.poll(() => begun).toBe(1);
    const first = await hold(at("viewer"));
    const closed = new Promise((resolve) => first.once("close", resolve));
    const second = await hold(at("viewer"), "GET /v1/sta");
    expect(await said("viewer", get)).toEqual(["200 simward/status/1"]);
    await closed;
    expect(second.destroyed).toBe(false);
    release();
    expect(answersIn(await working)).toMatchObject([{ status: 200 }]);
    second.destroy();
  });

  test("1,000 connected clients that say nothing on each socket: others are answered, descriptors are bounded, nothing stays", async () => {
    const descriptors = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
    const before = await descriptors();
    for (const role of ["viewer", "engineer", "admin"]) {
      const idle = [];
      for (let n = 0; n < 1_000; n++) {
        idle.push(await hold(at(role), n % 3 === 0 ? "GET /v1/status HTTP/1.1\r\nx: " : ""));
        if (n % 100 === 99) await isWell();
      }
      expect(server?.connections).toBeLessThanOrEqual(3 * apiLimits.connections);
      await isWell();
      // Both ends are in this process.
      expect(await descriptors()).toBeLessThan(before + 2 * 3 * apiLimits.connections + 100);
      for (const socket of idle) socket.destroy();
    }
    await expect.poll(() => server?.connections).toBe(0);
    await expect.poll(descriptors).toBeLessThanOrEqual(before + 8);
  });
});
