// The page's server: who may, from where, what for; and that nothing leaves it unmasked.
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApiClient } from "../../../agent/cli/client.ts";
import { type RunningUi, serveUi } from "../../../agent/ui/server.ts";
import { SystemClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { systemRandom } from "../../../base/random.ts";

const imei = "356938035643809";
let asked: string[] = [];
let isUp = true;
let listeners = 0;
const api: ApiClient = {
  call: async <T>(method: string, path: string): Promise<T> => {
    asked.push(`${method} ${path}`);
    if (!isUp) throw new SimwardError("API_NOT_RUNNING");
    if (path === "/v1/usage") throw new SimwardError("API_FORBIDDEN");
    return { schema: "simward/x/1", path, network: { imei } } as T;
  },
  lines: async (path, onLine, signal) => {
    asked.push(`GET ${path}`);
    onLine({ schema: "simward/event/1", id: 1, kind: "x", imei });
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
let ui: RunningUi;
let end: AbortController;
let port = 0;

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.once("error", reject);
    sent.end();
  });
}
async function cookie(): Promise<string> {
  const { headers } = await ask(new URL(ui.url).search.replace(/^/, "/"));
  return String(headers["set-cookie"]).split(";")[0] ?? "";
}

beforeEach(async () => {
  asked = [];
  isUp = true;
  end = new AbortController();
  const page = '<html><style nonce="__NONCE__"></style><script nonce="__NONCE__"></script></html>';
  ui = await serveUi({ api, page, port: 0, clock: new SystemClock(), random: systemRandom, signal: end.signal, idleMs: 60_000 });
  port = Number(new URL(ui.url).port);
});
afterEach(async () => {
  end.abort();
  await ui.closed;
});

describe("who may", () => {
  test("whoever opens the printed address first, with the cookie that it gives; nobody else", async () => {
    const { search } = new URL(ui.url);
    expect((await ask("/?token=wrong")).status).toBe(403);
    const first = await ask(`/${search}`);
    expect([first.status, first.headers.location]).toEqual([303, "/"]);
    expect(String(first.headers["set-cookie"])).toMatch(/^simward=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
    expect((await ask(`/${search}`)).status).toBe(403);
    const own = String(first.headers["set-cookie"]).split(";")[0] ?? "";
    expect((await ask("/", { cookie: own })).status).toBe(200);
    for (const foreign of [{}, { cookie: "simward=" }, { cookie: `${own}x` }, { cookie: own.slice(0, -1) }])
      for (const path of ["/", "/status", "/events", "/audit"])
        expect((await ask(path, foreign as Record<string, string>)).status).toBe(403);
    expect(asked).toEqual([]);
  });

  test.each([
    ["a name that leads here (DNS rebinding)", { host: "evil.example" }],
    ["this machine by another name", { host: "127.0.0.1:1" }],
    ["a page elsewhere", { origin: "https://evil.example" }],
    ["a page without an origin", { origin: "null" }],
  ])("%s is refused, cookie or not", async (_who, headers) => {
    const own = await cookie();
    const answer = await ask("/status", { cookie: own, host: `127.0.0.1:${port}`, ...headers } as Record<string, string>);
    expect(answer.status).toBe(403);
    expect(asked).toEqual([]);
  });

  test("only reading, and only what the page needs", async () => {
    const own = { cookie: await cookie() };
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) expect((await ask("/status", own, method)).status).toBe(405);
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
    for (const path of ["/audit?last=501", "/audit?last=-1", "/audit?last=5;x", "/events?after=x"])
      expect((await ask(path, own)).status).toBe(400);
    expect(asked).toEqual([]);
    for (const path of ["/status", "/roaming", "/usage/days", "/audit?last=7"]) expect((await ask(path, own)).status).toBe(200);
    expect((await ask("/usage", own)).status).toBe(403);
    expect(asked).toEqual(["GET /v1/status", "GET /v1/roaming", "GET /v1/usage/export", "GET /v1/audit?last=7", "GET /v1/usage"]);
  });
});

describe("what it answers", () => {
  test("the page may run and load nothing but its own; each time by another nonce", async () => {
    const own = { cookie: await cookie() };
    const pages = [await ask("/", own), await ask("/", own)];
    const nonces = pages.map(({ body, headers }) => {
      const [, nonce = ""] = /script nonce="([\w-]{43})"/.exec(body) ?? [];
      expect(headers["content-security-policy"]).toContain(
        `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'`,
      );
      expect(body).not.toContain("__NONCE__");
      return nonce;
    });
    expect(new Set(nonces).size).toBe(2);
  });

  test("no identifier in full, in documents and in the stream; who leaves the stream is let go", async () => {
    const own = { cookie: await cookie() };
    expect((await ask("/status", own)).body).toContain("3569…3809");
    const line = await new Promise<string>((resolve) => {
      const sent = request({ host: "127.0.0.1", port, path: "/events", headers: own }, (response) => {
        response.setEncoding("utf8").once("data", (text: string) => {
          resolve(text);
          sent.destroy();
        });
      });
      sent.on("error", () => {});
      sent.end();
    });
    expect(line).toContain("3569…3809");
    expect(line).not.toContain(imei);
    while (listeners > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a daemon that is away is told, and used again when it is back; a port that is taken is an error", async () => {
    const own = { cookie: await cookie() };
    isUp = false;
    const away = await ask("/status", own);
    expect([away.status, JSON.parse(away.body)]).toMatchObject([502, { error: { code: "API_NOT_RUNNING" } }]);
    expect((await ask("/events", own)).status).toBe(502);
    isUp = true;
    expect((await ask("/status", own)).status).toBe(200);
    const again = serveUi({ api, page: "", port, clock: new SystemClock(), random: systemRandom, signal: end.signal, idleMs: 60_000 });
    await expect(again).rejects.toMatchObject({ code: "PORT_OPEN" });
  });
});
