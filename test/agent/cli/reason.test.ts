// --reason: every verb that changes something takes it, and it stands in the audit record of what the verb led to.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serveApi } from "../../../agent/api/server.ts";
import { createClient } from "../../../agent/cli/client.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { optionsOf } from "../../../agent/cli/verb.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { silentLog } from "../../../base/log.ts";
import { inWorld } from "../../support/e2e.ts";
import { quietServices } from "../../support/quiet-services.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-reason-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function simward(...args: readonly string[]): Promise<readonly [number, string]> {
  let stderr = "";
  const io = { stdout: () => {}, columns: undefined, env: { SIMWARD_API_DIR: dir }, signal: new AbortController().signal };
  const code = await runCli(args, {
    ...io,
    stderr: (text) => {
      stderr += text;
    },
  });
  return [code, stderr];
}

describe("which verbs take it", () => {
  test("each that changes something, once; those that only look do not", async () => {
    for (const verb of await loadVerbs()) {
      const count = optionsOf(verb).filter(({ flags }) => flags.startsWith("--reason")).length;
      const own = ["bugreport", "doctor"].includes(verb.name);
      if (!own) expect([verb.name, count]).toEqual([verb.name, verb.writes === true || verb.danger !== undefined ? 1 : 0]);
    }
  });

  test("whatever a verb sends that is no GET, it may say why: no verb that is not marked writes", async () => {
    const audited: string[] = [];
    // That somebody has read what is his to read is in the trail, too.
    const auditAdminAct = async (act: string): Promise<void> => void (act.endsWith(".read") || audited.push(act));
    const services = { ...quietServices(), auditAdminAct };
    const server = await serveApi({ dir }, services, silentLog);
    try {
      for (const verb of await loadVerbs()) {
        if (verb.writes === true || verb.name === "bugreport" || verb.name === "ui") continue;
        const args = (verb.args ?? []).filter(({ optional }) => optional !== true).map(() => "AT");
        await simward(...verb.name.split(" "), ...args, "--timeout", "5s", "--last", "1");
        expect([verb.name, audited.splice(0)]).toEqual([verb.name, []]);
      }
    } finally {
      await server.close();
    }
  });
});

describe("where it goes", () => {
  test("into the audit record, of verbs and of requests alike; what is no reason is refused", () =>
    inWorld({ cardRole: "sgp32", personality: "quectel-bg95", seed: 7, apns: "" }, async (world) => {
      const server = await serveApi({ dir }, world.agent, silentLog);
      try {
        expect(await simward("modem", "edrx", "20", "--reason", "ticket 7 ✓")).toMatchObject([0, ""]);
        expect(await world.audit.data("modem.edrxAsked")).toMatchObject({ reason: "ticket 7 ✓", rat: "lte-m" });
        expect((await simward("modem", "edrx", "20"))[0]).toBe(0);
        expect(await world.audit.data("modem.edrxAsked")).toMatchObject({ reason: null });
        expect(await simward("modem", "edrx", "20", "--reason", " ")).toMatchObject([
          2,
          expect.stringContaining("reason: must not be empty"),
        ]);
        const engineer = createClient(join(dir, "engineer.sock"), 10_000);
        await engineer.call("PUT", "/v1/modem/edrx?reason=from%20a%20script", { rat: "lte-m", cycleSeconds: 20 });
        expect(await world.audit.data("modem.edrxAsked")).toMatchObject({ reason: "from a script" });
        await expect(engineer.call("PUT", "/v1/modem/edrx?why=x", { rat: "lte-m" })).rejects.toMatchObject({ code: "API_INPUT" });
      } finally {
        await server.close();
      }
    }));
});
