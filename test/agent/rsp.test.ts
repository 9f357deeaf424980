// [rsp] read: certificates in every form, and a directory that is missing or empty is told and leaves the eIM's way.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { rspOf } from "../../agent/rsp.ts";
import { VirtualClock } from "../../base/clock.ts";
import { createPki } from "../../hw-sim/pki/pki.ts";

const transport = { post: async () => undefined };
const base = { terminal_capability: "84", immediate_enable: true, ppr_consent: "deny", direct_download: true, eim_features: [] } as const;
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-rsp-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const read = async (settings: object) => {
  const problems: string[] = [];
  const rsp = await rspOf(
    { ...base, ...settings, eim_features: [] },
    transport,
    async (name) => `secret of ${name}`,
    ({ code }) => problems.push(code),
  );
  return { rsp, problems };
};

test("PEM, several in a file, and DER; other files are passed over", async () => {
  const [one, two, three] = [0, 1, 2].map(() => createPki({ clock: new VirtualClock() }).get("ci"));
  if (one === undefined || two === undefined || three === undefined) throw new Error("three worlds were made");
  await writeFile(join(dir, "a.pem"), `${one.certificatePem}\n${two.certificatePem}`);
  await writeFile(join(dir, "b.der"), three.certificate);
  await writeFile(join(dir, "README"), "no certificate");
  const { rsp, problems } = await read({ ci_dir: dir, confirmation_code_credential: "cc" });
  expect(rsp?.ciCertificates.map((der) => Buffer.from(der).toString("hex"))).toEqual(
    [one, two, three].map(({ certificate }) => Buffer.from(certificate).toString("hex")),
  );
  expect(await rsp?.confirmationCode?.()).toBe("secret of cc");
  expect(problems).toEqual([]);
});

test("no directory configured, none there, nothing in it", async () => {
  expect(await read({})).toEqual({ rsp: undefined, problems: [] });
  expect(await read({ ci_dir: join(dir, "missing") })).toEqual({ rsp: undefined, problems: ["CONFIG_READ"] });
  expect(await read({ ci_dir: dir })).toEqual({ rsp: undefined, problems: ["CONFIG_INVALID"] });
});
