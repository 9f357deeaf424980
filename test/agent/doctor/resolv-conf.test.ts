// A name that is not found: where the system is asked for it and its resolv.conf names nobody, that is the cause.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pathChecks } from "../../../agent/doctor/checks/path.ts";
import type { DoctorContext } from "../../../agent/doctor/context.ts";
import { isRealMend } from "../../support/mends.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-resolv-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function diagnosed(content: string | undefined, mode: "none" | "ecm" = "none") {
  const resolvConf = join(dir, "resolv.conf");
  await rm(resolvConf, { force: true });
  if (content !== undefined) await writeFile(resolvConf, content);
  const context = {
    eims: async () => [{ eimId: "a", access: { endpoint: { host: "eim.example.com" } } }],
    resolve: async () => {
      throw Object.assign(new Error("queryA EAI_AGAIN"), { code: "EAI_AGAIN" });
    },
    net: async () => ({ path: { dns: [] } }),
    running: { net: { mode } },
    resolvConf,
  } as unknown as DoctorContext;
  return pathChecks.find(({ name }) => name === "dns")?.run(context, new AbortController().signal);
}

test.each([
  ["empty", ""],
  ["not there", undefined],
  ["without a name server", "# nameserver 192.0.2.1\nsearch example.com\n"],
])("resolv.conf is %s", async (_what, content) => {
  const said = await diagnosed(content);
  expect(said).toMatchObject({ level: "fail", cause: expect.stringMatching(/EAI_AGAIN\): \S+resolv\.conf names no name server/) });
  expect(isRealMend(said?.mend ?? "")).toBe(true);
});

test("it names one, or simward asks the session's own: not its affair", async () => {
  for (const said of [await diagnosed("nameserver 192.0.2.1\n"), await diagnosed("", "ecm")])
    expect(said).toMatchObject({ level: "fail", cause: expect.not.stringContaining("resolv.conf") });
});
