// Broken vehicles that take processes to break: ports that are held, cards in foreign devices, daemons that died, directories and configurations as people
// leave them. doctor is asked as a person asks it, by the command line.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, chown, copyFile, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import type { DoctorReport, EimTestReport, Finding } from "../../agent/api/doctor-types.ts";
import { allPrograms, ProgramBench, until } from "../support/e2e-programs.ts";
import { isRealMend } from "../support/mends.ts";
import { program as found, need } from "../support/programs.ts";
import { bundlePrograms } from "../support/shipped.ts";

let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
beforeAll(async () => {
  bundles = await bundlePrograms(allPrograms);
});
afterAll(() => bundles.close());

type Run = (bench: ProgramBench, context: TestContext) => Promise<void>;
const onBench =
  (run: Run) =>
  async (context: TestContext): Promise<void> => {
    const bench = await ProgramBench.create(bundles.dir);
    try {
      await run(bench, context);
    } finally {
      await bench.close();
    }
  };
const vehicle = (title: string, run: Run): void => test.concurrent(title, onBench(run));
const needRoot = (context: TestContext): void => context.skip(process.getuid?.() !== 0, "left out: only root may do that");

interface Examined {
  readonly code: number | string;
  readonly report: DoctorReport;
  readonly stderr: string;
}

async function doctor(bench: ProgramBench, config: string, ...options: readonly string[]): Promise<Examined> {
  const { code, stdout, stderr } = await bench.simward("doctor", "--json", "--show-ids", "--config", config, ...options);
  const report = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as DoctorReport;
  for (const { mend, check } of report.findings) if (mend !== undefined) expect(isRealMend(mend), `${check}: ${mend}`).toBe(true);
  expect(code).toBe(report.verdict === "fail" ? 15 : report.verdict === "warn" ? 14 : 0);
  return { code, report, stderr };
}

/** Asks until that check is the first cause. */
async function diagnosed(bench: ProgramBench, config: string, check: string, ...options: readonly string[]): Promise<Finding> {
  const { report } = await until(
    () => doctor(bench, config, ...options),
    (one) => one.report.causes[0] === check,
  );
  const finding = report.findings.find((one) => one.check === check);
  if (finding === undefined) throw new Error(check);
  expect(report.summary).toContain(finding.cause);
  return finding;
}

/** A process that has nothing to do with us. */
function stranger(command: string, ...args: readonly string[]): { readonly child: ChildProcess; end(): Promise<void> } {
  const child = spawn(command, [...args], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    child,
    async end() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

vehicle("the port held by another process: named with its pid; when it is gone all is well", async (bench, context) => {
  const flock = need(context, found("flock"));
  const sim = await bench.sim("--modem", "pty");
  const path = sim.ready.modem.pty ?? "";
  const holder = stranger(flock, "--no-fork", path, "sleep", "600");
  try {
    const config = await bench.config(`pty:${path}`);
    await bench.daemon(config);
    const finding = await diagnosed(bench, config, "port-contention");
    expect(finding).toMatchObject({
      level: "fail",
      cause: expect.stringContaining(`(pid ${holder.child.pid})`),
      mend: expect.stringContaining(`kill ${holder.child.pid}`),
    });
    await holder.end();
    await bench.online();
    expect(await doctor(bench, config)).toMatchObject({ code: 0, report: { verdict: "pass", summary: "Nothing is wrong." } });
  } finally {
    await holder.end();
  }
});

vehicle("the card in a foreign vehicle: both IMEIs are named, and what follows from it is said to follow", async (bench) => {
  // A module that tells which technologies it may use: the line wants to see it.
  const card = ["--modem", "tcp", "--personality", "quectel-bg95", "--state", join(bench.dir, "card"), "--pki", join(bench.dir, "pki")];
  const plan = '[lifecycle]\nfirst = "factory_test"\noperational_on = ["ignition"]\ntest_cap_bytes = 1000000\n';
  const own = await bench.sim(...card, "--imei", "356938035643809");
  const first = await bench.daemon(await bench.config(`tcp:${own.ready.modem.tcp}`, plan));
  await bench.online();
  const paired = await doctor(bench, "", "--factory", "--pair");
  expect(paired.report.factory).toMatchObject({
    imei: "356938035643809",
    eid: own.ready.eid,
    pairing: "match",
    checklist: ["rat", "bip", "imei-pairing", "test-state-plan", "apn-per-market", "eim-reachable"].map((item) => ({
      item,
      level: "pass",
    })),
  });
  first.child.kill("SIGTERM");
  await first.ended;
  own.process.child.kill("SIGTERM");
  await own.process.ended;

  const other = await bench.sim(...card, "--imei", "356938035643817");
  const config = await bench.config(`tcp:${other.ready.modem.tcp}`, plan);
  await bench.daemon(config);
  const finding = await diagnosed(bench, config, "imei-pairing");
  expect(finding).toMatchObject({
    level: "fail",
    cause: expect.stringMatching(/IMEI 356938035643817, paired was 356938035643809/),
    mend: expect.stringContaining("simward imei-lock show"),
  });
  const { report } = await doctor(bench, config, "--fast");
  expect(report.findings.find(({ check }) => check === "policy")).toMatchObject({ level: "fail", because: "imei-pairing" });
});

vehicle("no daemon: what can be seen without it is looked at, and it says so", async (bench) => {
  const sim = await bench.sim("--modem", "pty");
  const config = await bench.config(`pty:${sim.ready.modem.pty}`);
  const never = await doctor(bench, config);
  expect(never).toMatchObject({
    code: 15,
    report: { daemon: "down", causes: ["daemon"] },
    stderr: expect.stringContaining("without the daemon"),
  });
  expect(never.report.findings.find(({ check }) => check === "daemon")?.mend).toContain("systemctl restart simwardd");

  const daemon = await bench.daemon(config);
  await bench.online();
  daemon.child.kill("SIGKILL");
  await daemon.ended;
  // The sockets are still there, and nobody answers on them.
  expect(await readdir(join(bench.dir, "run"))).toContain("viewer.sock");
  const dead = await doctor(bench, config);
  expect(dead.report).toMatchObject({ daemon: "down", causes: ["daemon"] });
  expect(dead.report.findings.find(({ check }) => check === "daemon")?.cause).toMatch(/the last record of the audit trail is/);
  expect(dead.report.findings.map(({ check, level }) => [check, level])).toEqual([
    ["daemon", "fail"],
    ...[
      "config",
      "api-sockets",
      "state-directory",
      "disk",
      "audit-trail",
      "clock",
      "module-port",
      "port-permission",
      "port-contention",
    ].map((check) => [check, "pass"]),
  ]);
});

vehicle("no daemon, and a configuration that is none: that is the cause", async (bench) => {
  const config = await bench.config("pty:/nowhere", "[radio]\nrats = [lte]\n");
  const { report } = await doctor(bench, config);
  expect(report).toMatchObject({ daemon: "down", causes: ["config", "daemon"] });
  expect(report.findings.find(({ check }) => check === "daemon")?.because).toBe("config");
  expect(report.findings.find(({ check }) => check === "config")).toMatchObject({
    mend: `simward config validate ${config}`,
    cause: expect.stringMatching(/line \d+/),
  });
});

vehicle("no daemon, and an audit trail that somebody wrote in", async (bench) => {
  const config = await bench.parked("pty");
  const dir = join(bench.dir, "state", "audit");
  const [segment = ""] = (await readdir(dir)).filter((name) => name.endsWith(".jsonl"));
  await appendFile(
    join(dir, segment),
    '{"seq":99,"time":"2026-01-01T00:00:00.000Z","event":"nothing","cause":"x","prev":"00","hash":"00"}\n',
  );
  const { report } = await doctor(bench, config);
  expect(report.findings.find(({ check }) => check === "audit-trail")).toMatchObject({
    ...{ level: "fail", mend: expect.stringMatching(/^simward audit verify \S+\/state\/audit; .*cannot be mended on the vehicle/) },
  });
});

vehicle("a port that is not there", async (bench) => {
  const config = await bench.config("/dev/ttyUSB97");
  await bench.daemon(config);
  expect(await diagnosed(bench, config, "module-port")).toMatchObject({
    cause: expect.stringContaining("/dev/ttyUSB97 is not there"),
    mend: expect.stringContaining("simward modem list"),
  });
});

vehicle("a network address where nobody listens", async (bench) => {
  const config = await bench.config("tcp:127.0.0.1:9");
  await bench.daemon(config);
  expect(await diagnosed(bench, config, "module-port")).toMatchObject({
    cause: expect.stringContaining("127.0.0.1:9"),
    mend: expect.stringContaining("modem.address"),
  });
});

vehicle("a configuration changed since the start, then one that is not valid any more", async (bench) => {
  const sim = await bench.sim("--modem", "pty");
  const config = await bench.config(`pty:${sim.ready.modem.pty}`);
  await bench.daemon(config);
  await bench.online();
  await appendFile(config, "[probe]\ninterval_seconds = 60\n");
  expect(await diagnosed(bench, config, "config")).toMatchObject({
    level: "warn",
    cause: expect.stringContaining("probe"),
    mend: "systemctl restart simwardd",
  });
  await appendFile(config, "[prob]\n");
  expect(await diagnosed(bench, config, "config")).toMatchObject({
    level: "warn",
    cause: expect.stringContaining("prob is no setting"),
    mend: `simward config validate ${config}`,
  });
});

vehicle("a file of the state directory that belongs to another user", async (bench, context) => {
  needRoot(context);
  const sim = await bench.sim("--modem", "pty");
  const config = await bench.config(`pty:${sim.ready.modem.pty}`);
  await bench.daemon(config);
  await bench.online();
  await chown(join(bench.dir, "state", "lock"), 54_321, 54_321);
  expect(await diagnosed(bench, config, "state-directory")).toMatchObject({
    cause: expect.stringMatching(/state\/lock to uid 54321/),
    mend: expect.stringContaining(`chown -R root ${join(bench.dir, "state")}`),
  });
});

vehicle("a full disk, and then one that can only be read", async (bench, context) => {
  needRoot(context);
  const [mount, umount] = [need(context, found("mount")), need(context, found("umount"))];
  const state = join(bench.dir, "state");
  await mkdir(state);
  const run = (command: string, ...args: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      spawn(command, [...args], { stdio: "ignore" }).once("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`${command} ${args.join(" ")}: ${code}`)),
      );
    });
  await run(mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", state);
  try {
    const sim = await bench.sim("--modem", "pty");
    const config = await bench.config(`pty:${sim.ready.modem.pty}`);
    const daemon = await bench.daemon(config);
    await bench.online();
    await writeFile(join(state, "core.4711"), Buffer.alloc(8 * 1024 * 1024)).catch(() => undefined);
    expect(await diagnosed(bench, config, "disk")).toMatchObject({
      level: "fail",
      cause: expect.stringMatching(/ENOSPC|no space|are free/),
      mend: expect.stringContaining(`df -h ${state}`),
    });
    await rm(join(state, "core.4711"));
    daemon.child.kill("SIGKILL");
    await daemon.ended;
    await run(mount, "-o", "remount,ro", state);
    const readOnly = {
      level: "fail",
      cause: expect.stringContaining("can only be read"),
      mend: expect.stringContaining("mount -o remount,rw"),
    };
    expect(await diagnosed(bench, config, "disk")).toMatchObject(readOnly);
    const again = await bench.daemon(config);
    expect(await diagnosed(bench, config, "disk")).toMatchObject(readOnly);
    again.child.kill("SIGKILL");
    await again.ended;
  } finally {
    await run(umount, "-l", state);
  }
});

vehicle("simward-netd does not answer, and the session is to go over an interface", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const config = await bench.config(
    `tcp:${sim.ready.modem.tcp}`,
    `[net]\nmode = "ecm"\ninterface = "wwan97"\nnetd_socket = "${bench.dir}/nobody.sock"\n`,
  );
  await bench.daemon(config);
  expect(await diagnosed(bench, config, "netd")).toMatchObject({ level: "fail", cause: expect.stringMatching(/nobody\.sock|wwan97/) });
});

vehicle("an APN that the network does not know: the refusal is told in words", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const config = await bench.config(`tcp:${sim.ready.modem.tcp}`, '[lifecycle]\nfirst = "factory_test"\ntest_apn = "nosuch.apn"\n');
  await bench.daemon(config);
  expect(await diagnosed(bench, config, "apn")).toMatchObject({
    level: "fail",
    cause: expect.stringContaining("APN"),
    mend: expect.stringContaining("simward net apn test"),
  });
  const factory = await doctor(bench, config, "--factory");
  expect(factory.report.factory?.checklist.filter(({ level }) => level === "fail").map(({ item }) => item)).toEqual([
    "test-state-plan",
    "apn-per-market",
    "eim-reachable",
  ]);
});

vehicle("eim test: each way with its name, its pin and its handshake; expired, foreign and misnamed are told apart", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  await bench.daemon(await bench.config(`tcp:${sim.ready.modem.tcp}`));
  await bench.online();
  const tested = async (...args: readonly string[]): Promise<{ readonly code: number | string; readonly report: EimTestReport }> => {
    const { code, stdout } = await bench.simward("eim", "test", "--json", ...args);
    return { code, report: JSON.parse(stdout) as EimTestReport };
  };
  const well = await tested();
  expect(well).toMatchObject({ code: 0, report: { eims: [{ eimId: sim.ready.eim.id }] } });
  expect(well.report.eims[0]?.bindings.map(({ binding, outcome }) => [binding, outcome])).toEqual([
    ["coaps", "trusted"],
    ["https", "trusted"],
    ["https-json", "trusted"],
  ]);
  for (const [kind, error] of [
    ["expired", "TLS_EXPIRED"],
    ["foreign", "TLS_UNTRUSTED"],
    ["wrongHost", "TLS_HOST_MISMATCH"],
  ] as const) {
    await sim.fault({ eim: { tlsCertificate: kind } });
    for (const binding of ["coaps", "https"]) {
      const { code, report } = await tested("--binding", binding);
      expect(code).toBe(11);
      expect(report.eims[0]?.bindings).toMatchObject([
        { binding, outcome: "failed", addresses: expect.arrayContaining(["127.0.0.1"]), error: { code: error } },
      ]);
    }
  }
  await sim.fault({ eim: { tlsCertificate: "own" } });
  expect(await tested("nobody.example")).toMatchObject({ code: 3 });
  // Nothing was taken: what waits there still does.
  expect(await bench.simward("audit", "tail", "--json", "--event", "package.")).toMatchObject({ stdout: "" });
});

test(
  "ModemManager runs beside the daemon: named, with the command that ends it for good",
  onBench(async (bench, context) => {
    const sim = await bench.sim("--modem", "pty");
    const config = await bench.config(`pty:${sim.ready.modem.pty}`);
    await bench.daemon(config);
    await bench.online();
    const path = join(bench.dir, "ModemManager");
    await copyFile(need(context, found("sleep")), path);
    const manager = stranger(path, "600");
    try {
      expect(await diagnosed(bench, config, "port-contention")).toMatchObject({
        level: "warn",
        cause: expect.stringContaining(`ModemManager (pid ${manager.child.pid}) runs`),
        mend: "systemctl mask --now ModemManager",
      });
    } finally {
      await manager.end();
    }
  }),
);
