// Broken vehicles of processes and users: state damaged, a root key that is not there, a user who may not ask, a daemon that serves elsewhere, a stranger on the
// port, a group that is missing.
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import type { DoctorReport, Finding } from "../../../agent/api/doctor-types.ts";
import { pki } from "../../support/e2e.ts";
import { allPrograms, ProgramBench, until } from "../../support/e2e-programs.ts";
import { faultsOf } from "../../support/mends.ts";
import { program as found, need } from "../../support/programs.ts";
import { bundlePrograms } from "../../support/shipped.ts";

let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
beforeAll(async () => {
  bundles = await bundlePrograms(allPrograms);
});
afterAll(() => bundles.close());

const vehicle = (title: string, run: (bench: ProgramBench, context: TestContext) => Promise<void>): void =>
  test(title, async (context) => {
    const bench = await ProgramBench.create(bundles.dir);
    try {
      await run(bench, context);
    } finally {
      await bench.close();
    }
  });

const reportIn = (stdout: string): DoctorReport => JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as DoctorReport;

function first(report: DoctorReport): Finding {
  const finding = report.findings.find(({ check }) => check === report.causes[0]);
  if (finding?.mend === undefined) throw new Error(report.summary);
  expect(faultsOf(finding.mend)).toEqual([]);
  return finding;
}

/** Until that is the first cause: a machine that is busy with other things has a part of it looked at only. */
const diagnosed = (bench: ProgramBench, config: string, check: string): Promise<DoctorReport> =>
  until(
    () => examined(bench, config),
    ({ causes, findings }) => causes[0] === check && !findings.some(({ cause = "" }) => cause.startsWith("it could not be looked at")),
  );

const examined = async (bench: ProgramBench, config: string): Promise<DoctorReport> =>
  reportIn((await bench.simward("doctor", "--fast", "--json", "--config", config)).stdout);

vehicle("all files of the state damaged: a failure, what was lost, and what to look at", async (bench) => {
  const config = await bench.parked("tcp");
  const state = join(bench.dir, "state");
  for (const entry of await readdir(state, { withFileTypes: true }))
    if (entry.isFile() && entry.name !== "lock") await writeFile(join(state, entry.name), "garbage");
  await bench.daemon(config);
  await bench.online();
  const report = await diagnosed(bench, config, "state-files");
  expect(first(report)).toMatchObject({
    ...{ check: "state-files", level: "fail", cause: expect.stringMatching(/^4 files .*roaming days counted so far; the counts of usage/) },
    mend: expect.stringMatching(/dmesg.*simward roaming history/),
  });
  expect(report.causes, "told once").toEqual(["state-files"]);
});

vehicle("the root key is not where keys.root says, is empty, or is none: told once, with the file", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const root = join(bench.dir, "root.pem");
  const config = await bench.config(`tcp:${sim.ready.modem.tcp}`, `[keys]\nroot = "${root}"\n`);
  for (const [content, cause] of [
    [undefined, /root\.pem cannot be used: ENOENT/],
    ["", /root\.pem cannot be used: it is empty/],
    ["no key\n", /keys\.root/],
  ] as const) {
    if (content !== undefined) await writeFile(root, content);
    const daemon = await bench.daemon(config);
    await bench.online();
    const report = await diagnosed(bench, config, "keys");
    expect(first(report)).toMatchObject({
      check: "keys",
      cause: expect.stringMatching(cause),
      mend: expect.stringContaining(`ls -l ${root}`),
    });
    expect(report.causes).toEqual(["keys"]);
    daemon.child.kill("SIGTERM");
    await daemon.ended;
  }
});

/** As nobody, with a copy of the program where it may read. */
async function asNobody(
  bench: ProgramBench,
  context: TestContext,
  ...args: readonly string[]
): Promise<{ stdout: string; stderr: string }> {
  const bin = join(bench.dir, "bin");
  await cp(bundles.dir, bin, { recursive: true });
  for (const path of [bench.dir, bin]) await chmod(path, 0o755);
  const user = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, join(bin, "simward.mjs")];
  const child = spawn(need(context, found("setpriv")), [...user, ...args, "--state-dir", join(bench.dir, "state")], {
    env: { ...process.env, SIMWARD_API_DIR: join(bench.dir, "run") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (chunk: Buffer) => {
      texts[name] += chunk.toString("utf8");
    });
  await new Promise((resolve) => child.once("close", resolve));
  return texts;
}

vehicle("a user who may not ask: permission and group are named, and nothing else is blamed", async (bench, context) => {
  context.skip(process.getuid?.() !== 0, "left out: only root may become another user");
  const sim = await bench.sim("--modem", "pty");
  const config = await bench.config(`pty:${sim.ready.modem.pty}`);
  await bench.daemon(config);
  await bench.online();
  const ask = async (): Promise<DoctorReport> => reportIn((await asNobody(bench, context, "doctor", "--json", "--config", config)).stdout);
  const closed = await ask();
  expect(closed.causes).toEqual(["daemon"]);
  expect(first(closed)).toMatchObject({
    cause: expect.stringMatching(/simwardd runs, and this user \(nobody\) may not ask it.*viewer\.sock/),
    mend: expect.stringMatching(/sudo simward doctor; or set api\.viewer_group/),
  });
  // A group that the machine has: daemon.
  await chown(join(bench.dir, "run", "viewer.sock"), 0, 1);
  expect(first(await ask()).mend).toContain('usermod -aG daemon "$USER"');
  await chmod(join(bench.dir, "run"), 0o700);
  expect(first(await ask())).toMatchObject({ check: "daemon", cause: expect.stringContaining("may not ask it") });
});

vehicle("a daemon that serves another directory than the one asked", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const config = await bench.config(`tcp:${sim.ready.modem.tcp}`, "", { run: "other" });
  const daemon = await bench.daemon(config);
  expect(first(await examined(bench, config))).toMatchObject({
    check: "daemon",
    cause: expect.stringMatching(
      new RegExp(`simwardd runs \\(pid ${daemon.child.pid}, user \\S+\\), and nobody answers where it was asked`),
    ),
    mend: expect.stringContaining(`simward doctor --socket ${join(bench.dir, "other", "viewer.sock")}`),
  });
});

/** Opens the port as a careless script does: no lock. */
function stranger(path: string): ChildProcess {
  return spawn(process.execPath, ["-e", "require('fs').openSync(process.argv[1], 'r+'); setInterval(() => {}, 1e6)", path], {
    stdio: "ignore",
  });
}

vehicle("another process has the port open, too, while the daemon works: it is named", async (bench) => {
  const sim = await bench.sim("--modem", "pty");
  const path = sim.ready.modem.pty ?? "";
  const config = await bench.config(`pty:${path}`);
  await bench.daemon(config);
  await bench.online();
  await until(
    () => examined(bench, config),
    ({ verdict }) => verdict === "pass",
  );
  const other = stranger(path);
  try {
    const report = await diagnosed(bench, config, "port-contention");
    expect(first(report)).toMatchObject({
      ...{ level: "fail", cause: expect.stringContaining(`(pid ${other.pid}), too`), mend: expect.stringContaining(`kill ${other.pid}`) },
    });
  } finally {
    other.kill("SIGKILL");
  }
});

vehicle("config validate: a group that this machine has not, unless the file is another machine's", async (bench) => {
  const config = await bench.config("tcp:127.0.0.1:9");
  await writeFile(config, (await readFile(config, "utf8")).replace("[api]\n", '[api]\nengineer_group = "no-such-group"\n'));
  expect(await bench.simward("config", "validate", config)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/CONFIG_INVALID.*api\.engineer_group: this machine has no group no-such-group/),
  });
  expect(await bench.simward("config", "validate", config, "--elsewhere")).toMatchObject({ code: 0 });
});

vehicle(
  "simward-netd is gone while the tunnel is required: it is the cause, and what it keeps from coming about says so",
  async (bench) => {
    const sim = await bench.sim("--modem", "tcp");
    const secrets = join(bench.dir, "secrets");
    await mkdir(secrets);
    await writeFile(join(secrets, "eap"), "a secret");
    await writeFile(join(bench.dir, "ca.pem"), pki.get("ci").certificatePem);
    const tunnel = `[tunnel]\ngateway = "192.0.2.1"\nlocal_id = "v.fleet.example"\nremote_id = "vpn.fleet.example"\nca = "${bench.dir}/ca.pem"\n`;
    const eap = 'auth = "eap"\neap_identity = "v@fleet.example"\nsecret_credential = "eap"\n';
    const net = `[net]\nmode = "ecm"\ninterface = "wwan97"\nnetd_socket = "${bench.dir}/nobody.sock"\n`;
    process.env.CREDENTIALS_DIRECTORY = secrets;
    try {
      const config = await bench.config(`tcp:${sim.ready.modem.tcp}`, `${net}${tunnel}${eap}`);
      await bench.daemon(config);
      const levelOf = ({ findings }: DoctorReport, name: string) => findings.find(({ check }) => check === name)?.level;
      const report = await until(
        () => diagnosed(bench, config, "netd"),
        (one) => levelOf(one, "data-session") === "fail" && levelOf(one, "card-class") === "pass",
      );
      expect(first(report)).toMatchObject({
        level: "fail",
        cause: expect.stringContaining("nobody.sock"),
        mend: expect.stringContaining("simward-netd"),
      });
      // A clock that nobody has vouched for yet is no matter of netd's.
      const bad = report.findings.filter(
        ({ check, level }) => !["netd", "clock"].includes(check) && (level === "fail" || level === "warn"),
      );
      expect(bad.filter(({ because }) => because !== "netd" && because !== "policy" && because !== "data-session")).toEqual([]);
    } finally {
      delete process.env.CREDENTIALS_DIRECTORY;
    }
  },
);
