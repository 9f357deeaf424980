// The page's server: who may, from where, what for; and that nothing leaves it unmasked.
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApiClient } from "../../../agent/cli/client.ts";
import { readUiFiles } from "../../../agent/ui/files.ts";
import { type RunningUi, serveUi } from "../../../agent/ui/server.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { systemRandom } from "../../../base/random.ts";

const files = await readUiFiles(new URL("../../../agent/ui/page/", import.meta.url));
const imei = "356938035643809";
let asked: string[] = [];
let isUp = true;
let listeners = 0;
const iccid = "8949010000000000001";
/** Of usage. */
let rows = 1;
const api: ApiClient = {
  call: async <T>(method: string, path: string): Promise<T> => {
    asked.push(`${method} ${path}`);
    if (!isUp) throw new SimwardError("API_NOT_RUNNING");
    if (path === "/v1/usage") throw new SimwardError("API_FORBIDDEN", { detail: `${iccid} in ${imei}, LPA:1$dp.example$SECRET-ID` });
    return { schema: "simward/x/1", path, network: { imei } } as T;
  },
  lines: async (path, onLine, signal) => {
    asked.push(`GET ${path}`);
    for (let id = 1; id <= (path.startsWith("/v1/events") ? 1 : rows); id++) onLine({ schema: "simward/event/1", id, kind: "x", imei });
    if (!path.startsWith("/v1/events")) return "ended";
    listeners++;
    await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
    listeners--;
    return "left";
  },
  textLines: async () => "ended",
};

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}
const idleMs = 600_000;
let ui: RunningUi;
let end: AbortController;
let clock: VirtualClock;
let port = 0;

function ask(path: string, headers: Record<string, string> = {}, method = "GET", content?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.once("error", reject);
    sent.end(content);
  });
}
const token = (): string => new URL(ui.url).hash.slice(1);
const exchange = (given: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask("/session", { origin: `http://127.0.0.1:${port}`, ...headers }, "POST", given);
async function letIn(): Promise<{ readonly authorization: string }> {
  const { body } = await exchange(token());
  return { authorization: `Bearer ${JSON.parse(body).key}` };
}
const codeOf = ({ body }: Answer): unknown => JSON.parse(body).error.code;

beforeEach(async () => {
  asked = [];
  isUp = true;
  rows = 1;
  end = new AbortController();
  clock = new VirtualClock();
  ui = await serveUi({ api, files, port: 0, clock, random: systemRandom, signal: end.signal, idleMs });
  port = Number(new URL(ui.url).port);
});
afterEach(async () => {
  end.abort();
  await ui.closed;
});

describe("who may", () => {
  test("whoever opens the printed address first, with the key that its token is changed for; nobody else", async () => {
    expect(ui.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#[\w-]{43}$/);
    expect(codeOf(await exchange("wrong"))).toBe("UI_SESSION");
    const first = await exchange(token());
    expect([first.status, JSON.parse(first.body)]).toMatchObject([200, { schema: "simward/ui-session/1" }]);
    expect(first.headers).not.toHaveProperty("set-cookie");
    const { key } = JSON.parse(first.body);
    expect(key).not.toBe(token());
    const again = await exchange(token());
    expect([again.status, JSON.parse(again.body).error.message]).toMatchObject([401, expect.stringContaining("opened already")]);
    expect(JSON.parse(again.body).error.next).toContain("run simward ui again");
    expect((await ask("/status", { authorization: `Bearer ${key}` })).status).toBe(200);
    asked = [];
    const foreign = ["", `Bearer ${key}x`, `Bearer ${key.slice(0, -1)}`, `Bearer ${token()}`, `Basic ${key}`, key];
    for (const authorization of foreign)
      for (const path of ["/status", "/events", "/audit", "/nothing"]) expect((await ask(path, { authorization })).status).toBe(401);
    expect((await ask("/status", { cookie: `simward=${key}` })).status).toBe(401);
    expect(asked).toEqual([]);
  });

  test("the page itself is for everybody on this machine: nothing of the vehicle is in it", async () => {
    expect((await ask("/")).status).toBe(200);
    expect(asked).toEqual([]);
  });

  test.each([
    ["a name that leads here (DNS rebinding)", { host: "evil.example" }],
    ["this machine by another name", { host: "127.0.0.1:1" }],
    ["a page elsewhere", { origin: "https://evil.example" }],
    ["a page without an origin", { origin: "null" }],
  ])("%s is refused, with the key and with the token, and uses up nothing", async (_who, headers) => {
    const own = { host: `127.0.0.1:${port}`, ...headers } as Record<string, string>;
    for (const path of ["/", "/status"]) expect((await ask(path, own)).status).toBe(403);
    expect((await exchange(token(), own)).status).toBe(403);
    const session = await letIn();
    expect((await ask("/status", { ...session, ...own })).status).toBe(403);
    expect(asked).toEqual([]);
  });

  test("who names no origin gets no key: a browser names it with every POST", async () => {
    expect((await ask("/session", {}, "POST", token())).status).toBe(403);
    expect((await exchange(token())).status).toBe(200);
  });

  test("tokens are not guessed: after ten wrong ones within a minute none is compared, a minute later they are", async () => {
    for (let i = 0; i < 10; i++) expect((await exchange(`wrong ${i}`)).status).toBe(401);
    const bounded = await exchange(token());
    expect([bounded.status, codeOf(bounded)]).toEqual([429, "API_RATE"]);
    clock.advance(59_000);
    expect((await exchange(token())).status).toBe(429);
    clock.advance(900);
    const isHeard = letIn();
    expect((await isHeard).authorization).toBe("Bearer undefined");
    clock.advance(100);
    expect((await exchange(token())).status).toBe(200);
  });

  test("a token of more than a kilobyte is not read, told length or not", async () => {
    expect((await exchange("x".repeat(1_025))).status).toBe(413);
    const endless = exchange("x".repeat(200_000), { "transfer-encoding": "chunked" });
    await expect(endless.then(({ status }) => status)).resolves.toBe(413);
    expect((await exchange(token())).status).toBe(200);
  });

  test("only reading, and only what the page needs", async () => {
    const own = await letIn();
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const answer = await ask("/status", own, method);
      expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD"]);
    }
    expect((await ask("/session", own)).headers.allow).toBe("POST");
    for (const path of [
      "/v1/status",
      "/../v1/audit",
      "/status/",
      "/bugreport",
      "//v1/trace",
      "/__proto__",
      "/constructor",
      "/%2e%2e/eim",
      "//",
      "/x/../status",
    ])
      expect((await ask(path, own)).status).toBe(404);
    const bad = ["last=501", "last=-1", "last=5;x", "first=501", "after=x", "event=", "event=a", "event=a.b%26last%3D9", "iccid=8", "x=1"];
    for (const query of bad) expect([query, (await ask(`/audit?${query}`, own)).status]).toEqual([query, 400]);
    expect((await ask("/events?after=x", own)).status).toBe(400);
    expect(asked).toEqual([]);
    for (const path of ["/status", "/roaming", "/usage/days", "/audit?last=7", "/audit?first=9&after=3&event=package.received", "/audit"])
      expect((await ask(path, own)).status).toBe(200);
    expect((await ask("/usage", own)).status).toBe(403);
    expect(asked).toEqual([
      ...["GET /v1/status", "GET /v1/roaming", "GET /v1/usage/export", "GET /v1/audit?last=7"],
      ...["GET /v1/audit?first=9&after=3&event=package.received", "GET /v1/audit?last=200", "GET /v1/usage"],
    ]);
  });

  test("HEAD has the head of what GET has", async () => {
    const own = await letIn();
    for (const path of ["/", "/status", "/events", "/nothing"]) {
      const [head, status] = [await ask(path, own, "HEAD"), path === "/nothing" ? 404 : 200];
      expect([head.status, head.body]).toEqual([status, ""]);
      expect(head.headers["content-security-policy"]).toContain("default-src 'none'");
    }
    expect((await ask("/status", {}, "HEAD")).status).toBe(401);
    expect(listeners).toBe(0);
  });
});

describe("for how long, and for how many", () => {
  test("it ends when nobody who may has looked for so long; who may not does not keep it", async () => {
    const own = await letIn();
    clock.advance(idleMs - 1_000);
    expect((await ask("/status", own)).status).toBe(200);
    clock.advance(idleMs - 1_000);
    expect((await ask("/")).status).toBe(200);
    expect((await ask("/status", { authorization: `Bearer ${"x".repeat(43)}` })).status).toBe(401);
    clock.advance(1_000);
    await ui.closed;
    await expect(ask("/")).rejects.toThrow(/ECONNREFUSED|socket hang up/);
  });

  test("four listen at most; who leaves makes room", async () => {
    const own = await letIn();
    const open = await Promise.all([1, 2, 3, 4].map(() => listen(own)));
    const fifth = await ask("/events", own);
    expect([fifth.status, codeOf(fifth)]).toEqual([503, "QUEUE_FULL"]);
    open[0]?.leave();
    while (listeners > 3) await new Promise((resolve) => setImmediate(resolve));
    const again = await listen(own);
    for (const { leave } of [...open, again]) leave();
    while (listeners > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a head of more than 8 KiB is not read", async () => {
    expect((await ask("/", { "x-long": "x".repeat(9_000) })).status).toBe(431);
  });

  test("of the rows of usage the newest 4,000 are kept", async () => {
    const own = await letIn();
    rows = 5_000;
    const days = JSON.parse((await ask("/usage/days", own)).body);
    expect([days.length, days[0].id, days.at(-1).id]).toEqual([4_000, 1_001, 5_000]);
  });
});

function listen(headers: Record<string, string>): Promise<{ readonly line: string; leave(): void }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path: "/events", headers }, (response) => {
      response.setEncoding("utf8").once("data", (line: string) => resolve({ line, leave: () => sent.destroy() }));
      response.on("error", () => {});
    });
    sent.on("error", reject);
    sent.end();
  });
}

describe("what it answers", () => {
  test("the page may run and load nothing but its own files, and no script or style that stands in the document", async () => {
    const { body, headers } = await ask("/");
    expect(headers["content-security-policy"]).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'",
    );
    expect(headers["content-security-policy"]).not.toMatch(/unsafe|nonce/);
    expect(body).not.toMatch(/<style|<script(?![^>]* src="\/page\.js"><\/script>)| style=| on\w+=/);
    // A document that answers is no script: neither by its policy nor by its type.
    const status = await ask("/status", await letIn());
    expect(status.headers).toMatchObject({ "content-type": "application/json", "x-content-type-options": "nosniff" });
    expect(status.headers["content-security-policy"]).toContain("default-src 'none'; base-uri 'none'");
  });

  test("every file that the page names or imports is there, with its type; none else, however it is written", async () => {
    const seen = new Map<string, string>();
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      const { status, headers, body } = await ask(path);
      expect(status, path).toBe(200);
      seen.set(path, String(headers["content-type"]));
      const named = path === "/" ? body.matchAll(/(?:href|src)="(\/[\w.]+)"/g) : body.matchAll(/^import .* from "\.(\/[\w.]+)";$/gm);
      for (const [, other = ""] of named) await visit(other);
    };
    await visit("/");
    expect([...seen.keys()].sort()).toEqual([...files.keys()].sort());
    for (const [path, type] of seen)
      expect(type).toMatch(path.endsWith(".css") ? /^text\/css/ : path === "/" ? /^text\/html/ : /^text\/javascript/);
    for (const path of ["/page.html", "/page.css?x", "//page.js", "/../server.ts", "/page.js/", "/%70age.js"])
      expect((await ask(path)).status, path).toBe(401);
  });

  test("no identifier in full, in documents and in the stream; who leaves the stream is let go", async () => {
    const own = await letIn();
    expect((await ask("/status", own)).body).toContain("3569…3809");
    const refused = await ask("/usage", own);
    expect([refused.status, JSON.parse(refused.body).error.message]).toEqual([
      403,
      expect.stringContaining("8949…0001 in 3569…3809, LPA:1$dp.example$<secret>"),
    ]);
    const { line, leave } = await listen(own);
    leave();
    expect(line).toContain("3569…3809");
    expect(line).not.toContain(imei);
    while (listeners > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a daemon that is away is told, and used again when it is back; a port that is taken is an error", async () => {
    const own = await letIn();
    isUp = false;
    const away = await ask("/status", own);
    expect([away.status, JSON.parse(away.body)]).toMatchObject([502, { error: { code: "API_NOT_RUNNING" } }]);
    expect((await ask("/events", own)).status).toBe(502);
    isUp = true;
    expect((await ask("/status", own)).status).toBe(200);
    const again = serveUi({ api, files, port, clock, random: systemRandom, signal: end.signal, idleMs });
    await expect(again).rejects.toMatchObject({ code: "UI_PORT", next: expect.stringContaining("another --port") });
  });
});
