// The pages made from tables, docs/api.md and docs/cli.md, say what the tables say (UPDATE_DOCS=1 writes them anew), and their examples work.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEventHub } from "../../agent/api/events.ts";
import { type Route, routes } from "../../agent/api/routes.ts";
import { type ApiServer, serveApi } from "../../agent/api/server.ts";
import type { Status } from "../../agent/api/types.ts";
import { type ExitName, exitCodes, exitMeanings } from "../../agent/cli/exit.ts";
import { globalOptions } from "../../agent/cli/options.ts";
import { optionsOf } from "../../agent/cli/verb.ts";
import { loadVerbs } from "../../agent/cli/verbs/table.ts";
import { VirtualClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { quietLocalActs } from "../support/local-acts.ts";
import { need, program } from "../support/programs.ts";

const verbs = await loadVerbs();

/** The part of a page between its marks must be this. */
function expectPart(file: string, mark: string, made: string): void {
  const text = readFileSync(file, "utf8");
  const [, before = "", , after = ""] =
    new RegExp(`^([\\s\\S]*<!-- ${mark}[^\\n]*-->\\n)([\\s\\S]*)(<!-- /${mark} -->[\\s\\S]*)$`).exec(text) ?? [];
  const wanted = `${before}${made}${after}`;
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, wanted);
  else expect(text, `${file} is not what its table says; UPDATE_DOCS=1 writes it`).toBe(wanted);
}

const curl = program("curl");
const socketDir = "/run/simward";

function curlLine({ method, path, access, example, stream }: Route): string {
  const socket = `--unix-socket ${socketDir}/${access}.sock`;
  if (method === "PUT") return `curl -sS -X PUT ${socket} -d '${example ?? "{}"}' http://localhost${path}`;
  if (method === "POST") return `curl -sS ${socket} -d '${example ?? "{}"}' http://localhost${path}`;
  return `curl -sS${stream === undefined ? "" : "N --max-time 10"} ${socket} 'http://localhost${path}${example === undefined ? "" : `?${example}`}'`;
}

describe("docs/api.md", () => {
  test("has every route of the table with an example", () => {
    const rows = routes.map(({ method, path, access, answer, summary, stream }) => {
      const what = stream === undefined ? `\`${answer}\`` : `\`${answer}\`, a line each`;
      return `| \`${method} ${path}\` | ${access} | ${what} | ${summary} |\n`;
    });
    const table = `| route | least role | answer | |\n|---|---|---|---|\n${rows.join("")}`;
    expectPart("docs/api.md", "routes", `${table}\n\`\`\`sh\n${routes.map((route) => `${curlLine(route)}\n`).join("")}\`\`\`\n`);
  });

  describe("its examples", () => {
    let dir = "";
    let server: ApiServer | undefined;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), "simward-docs-"));
      const hub = createEventHub({ clock: new VirtualClock() });
      hub.publish("step", {});
      server = await serveApi(
        { dir },
        {
          ...quietLocalActs,
          status: async () => ({ schema: "simward/status/1" }) as Status,
          profiles: async () => ({ schema: "simward/profiles/1", eid: "", profiles: [] }),
          pollEim: async () => ({ schema: "simward/poll/1", eims: [] }),
          auditRecords: async () => ({ schema: "simward/audit/1", records: [] }),
          verifyAudit: async () => ({
            schema: "simward/audit-verification/1",
            ok: true,
            records: 0,
            firstSeq: 0,
            head: { seq: 0, hash: "" },
            tornBytes: 0,
            checkpoints: 0,
          }),
          events: (after, fn) => hub.subscribe(after, fn),
          auditAdminAct: async () => {},
        },
        silentLog,
      );
    });
    afterAll(async () => {
      await server?.close();
      await rm(dir, { recursive: true, force: true });
    });

    for (const route of routes)
      test(`${route.method} ${route.path}`, async (context) => {
        need(context, curl);
        const line = curlLine(route).replace(socketDir, dir);
        // A stream goes on until its time is over: what it has said by then counts.
        const said = await new Promise<string>((resolve) => {
          const child = execFile("bash", ["-c", `exec ${line}`], (_error, stdout, stderr) => resolve(`${stdout}${stderr}`));
          if (route.stream !== undefined) child.stdout?.once("data", () => child.kill());
        });
        expect(JSON.parse(said.split("\n")[0] ?? "")).toMatchObject({ schema: route.answer });
      });
  });
});

describe("docs/cli.md", () => {
  test("has every verb of the table, every option and every exit code", () => {
    const option = (one: { readonly flags: string; readonly help: string; readonly default?: string }): string =>
      `| \`${one.flags}\` | ${one.help}${one.default === undefined ? "" : ` (${one.default} by default)`} |\n`;
    const table = (rows: readonly string[]): string => (rows.length === 0 ? "" : `\n| | |\n|---|---|\n${rows.join("")}`);
    const sections = verbs.map((verb) => {
      const { name, summary, example, args = [] } = verb;
      const options = optionsOf(verb);
      const usage = ["simward", name, ...args.map((arg) => (arg.optional === true ? `[${arg.name}]` : `<${arg.name}>`))].join(" ");
      const rows = [...args.map((arg) => `| \`${arg.name}\` | ${arg.help} |\n`), ...options.map(option)];
      return `### ${usage}\n\n${summary[0]?.toUpperCase()}${summary.slice(1)}.\n${table(rows)}\n\`\`\`sh\n${example}\n\`\`\`\n`;
    });
    expectPart("docs/cli.md", "verbs", `${sections.join("\n")}`);
    expectPart("docs/cli.md", "globals", `| | |\n|---|---|\n${globalOptions.map(option).join("")}`);
    const codes = Object.entries(exitCodes).map(([name, code]) => `| ${code} | ${exitMeanings[name as ExitName]} |\n`);
    expectPart("docs/cli.md", "exits", `| | |\n|---|---|\n${codes.join("")}`);
  });
});
