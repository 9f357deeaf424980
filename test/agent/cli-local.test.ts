// The verbs of local command against a served API: what reaches the daemon, what is refused before it does, and the exit codes.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ApiServices } from "../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import { runCli } from "../../agent/cli/main.ts";
import { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { quietLocalActs } from "../support/local-acts.ts";

let dir = "";
let server: ApiServer | undefined;
let ordered: unknown[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-local-"));
  ordered = [];
  const noted =
    <R>(answer: (...args: never[]) => Promise<R>) =>
    async (...[by, order]: readonly [unknown?, unknown?]): Promise<R> => {
      ordered.push({ role: (by as { readonly role?: string } | undefined)?.role, ...(order as object | undefined) });
      return answer();
    };
  const { local } = quietLocalActs;
  const services = {
    ...quietLocalActs,
    local: {
      ...local,
      downloadProfile: noted(local.downloadProfile),
      enableProfile: async (_by: unknown, { target }: { readonly target: string }) => {
        if (target === "managed") throw new SimwardError("CARD_EIM_MANAGED");
        if (target === "nobody") throw new SimwardError("NOT_FOUND");
        if (target === "dark") throw new SimwardError("PROFILE_NOT_ONLINE");
        if (target === "refused") throw new SimwardError("ES10_REFUSED");
        return { schema: "simward/profile-change/1", iccid: target, enabled: true, outcome: "already" } as const;
      },
      disableProfile: noted(local.disableProfile),
      deleteProfile: noted(local.deleteProfile),
      resetMemory: noted(local.resetMemory),
      addInitialEim: noted(local.addInitialEim),
    },
    events: () => () => undefined,
    auditAdminAct: async () => undefined,
  } as unknown as ApiServices;
  server = await serveApi({ dir }, services, silentLog);
});
afterEach(async () => {
  await server?.close();
  await rm(dir, { recursive: true });
});

async function simward(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  let out = "";
  const write = (text: string): void => {
    out += text;
  };
  const code = await runCli(args, {
    stdout: write,
    stderr: write,
    columns: undefined,
    env: { SIMWARD_API_DIR: dir },
    signal: new AbortController().signal,
  });
  return { code, out };
}

test("codes come from files, and reach the daemon in the body", async () => {
  await writeFile(join(dir, "ac"), "LPA:1$dp.example.com$TOKEN\n");
  await writeFile(join(dir, "cc"), "4711\n");
  expect(await simward("profile", "download", "--quiet", "--ac", join(dir, "ac"), "--cc", join(dir, "cc"))).toMatchObject({ code: 0 });
  expect(ordered).toEqual([{ role: "engineer", activationCode: "LPA:1$dp.example.com$TOKEN", confirmationCode: "4711" }]);
  await writeFile(join(dir, "empty"), "\n");
  expect(await simward("profile", "download", "--ac", join(dir, "empty"))).toMatchObject({ code: 2 });
  expect(await simward("profile", "download", "--ac", join(dir, "none"))).toMatchObject({ code: 3 });
  expect((await simward("profile", "download", "LPA:1$dp.example.com$TOKEN")).code, "a code as an argument").toBe(2);
});

test.each([
  ["managed", 9],
  ["nobody", 3],
  ["dark", 8],
  ["refused", 9],
])("profile enable %s ends with %i", async (target, code) => {
  expect((await simward("profile", "enable", target, "--quiet")).code).toBe(code);
});

test("what was so already is said", async () => {
  expect(await simward("profile", "enable", "89", "--quiet")).toEqual({ code: 0, out: "89 was enabled already: nothing was done\n" });
});

test("what cannot be undone is ordered only by who says so, over the socket that may", async () => {
  expect((await simward("profile", "delete", "89")).code).toBe(2);
  expect((await simward("profile", "delete", "89", "--yes", "--reason", "ticket 1")).code).toBe(0);
  expect((await simward("profile", "delete", "89", "--yes", "--admin", "--reason", "scrapped")).code).toBe(0);
  expect((await simward("card", "memory-reset", "--operational", "--yes")).code).toBe(2);
  expect((await simward("card", "memory-reset", "--reason", "x", "--yes")).code).toBe(2);
  expect((await simward("card", "memory-reset", "--operational", "--eims", "--reason", "x")).code).toBe(2);
  expect((await simward("card", "memory-reset", "--operational", "--eims", "--reason", "x", "--yes")).code).toBe(0);
  expect((await simward("eim", "add-initial", "BF5700")).code).toBe(2);
  expect((await simward("eim", "add-initial", "BF5700", "--reason", "x")).code).toBe(0);
  expect((await simward("profile", "disable", "89", "--i-know-it-goes-dark", "--reason", "x")).code).toBe(0);
  expect(ordered).toEqual([
    { role: "engineer", target: "89", reason: "ticket 1" },
    { role: "admin", target: "89", reason: "scrapped" },
    { role: "admin", options: ["deleteOperationalProfiles", "resetEimConfigData"], reason: "x" },
    { role: "admin", configuration: "BF5700", reason: "x" },
    { role: "engineer", target: "89", goesDark: true, reason: "x" },
  ]);
});
