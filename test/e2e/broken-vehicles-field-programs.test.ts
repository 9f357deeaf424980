// Broken vehicles of hosts and files, as a field engineer breaks them: names mistyped, files that are named and not there, sockets taken away, two daemons.
// doctor is asked by the command line, mostly where no daemon runs, and names what keeps it from running.
import { chown, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { DoctorReport } from "../../agent/api/doctor-types.ts";
import { brokenPrograms, diagnosed, examined } from "../support/broken-programs.ts";
import { until } from "../support/e2e-programs.ts";

const vehicle = brokenPrograms();

vehicle("a family mistyped: the setting, not a daemon that is not running; and the former configuration stays in force", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const address = `address = "tcp:${sim.ready.modem.tcp}"\n`;
  const config = join(bench.dir, "c.toml");
  const write = (family: string): Promise<void> =>
    writeFile(config, `[modem]\n${address}${family}[api]\ndir = "${bench.dir}/run"\n[paths]\nstate = "${bench.dir}/state"\n`);
  await write('family = "quectel-bg9"\n');
  expect((await bench.run("simwardd", "--config", config)).code).toBe(2);
  expect((await diagnosed(bench, config, "config", /modem\.family must be .*"quectel-bg9x"/)).level).toBe("fail");

  await write("");
  const daemon = await bench.daemon(config);
  daemon.child.kill("SIGTERM");
  await daemon.ended;
  await write('family = "quectel-bg9"\n');
  await bench.daemon(config);
  expect((await diagnosed(bench, config, "config", /would not start with it again.*modem\.family/)).level).toBe("warn");
});

vehicle(
  "a certificate file that is named and not there, or holds none: setting, file and reason, by doctor and by config validate",
  async (bench) => {
    const ca = join(bench.dir, "ca.pem");
    const config = await bench.config("tcp:127.0.0.1:9", `[[eim.peer]]\neim_id = "eim.example.com"\nca = "${ca}"\n`);
    expect((await bench.run("simwardd", "--config", config)).code).toBe(2);
    const missing = await diagnosed(bench, config, "config", /eim\.peer\.ca .*ca\.pem: ENOENT/);
    expect(missing).toMatchObject({ level: "fail", mend: expect.stringContaining(`ls -ld ${ca}`) });
    await writeFile(ca, "no certificate\n");
    await diagnosed(bench, config, "config", /ca\.pem holds no PEM certificate/);
    expect(await bench.run("simward", "config", "validate", config)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/CONFIG_INVALID.*ca\.pem holds no PEM/),
    });
    expect(await bench.run("simward", "config", "validate", "--elsewhere", config)).toMatchObject({ code: 0 });
  },
);

vehicle("files without which it starts nevertheless: the setting is named, as a warning", async (bench) => {
  for (const [place, section, setting] of [
    ["a", '[roaming]\nrules_file = "/nowhere/x"\n', /roaming\.rules_file \/nowhere\/x: ENOENT/],
    ["b", '[rsp]\nci_dir = "/nowhere/x"\n', /rsp\.ci_dir \/nowhere\/x: ENOENT/],
  ] as const) {
    const config = await bench.config("tcp:127.0.0.1:9", section, { state: place });
    const daemon = await bench.daemon(config);
    const { findings } = await until(
      () => examined(bench, config),
      ({ causes }) => causes.includes("config"),
    );
    expect(findings.find(({ check }) => check === "config")).toMatchObject({ level: "warn", cause: expect.stringMatching(setting) });
    daemon.child.kill("SIGKILL");
    await daemon.ended;
  }
});

vehicle("why the last start came to nothing, where nothing else shows it; forgotten with the next that succeeds", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const ca = join(bench.dir, "uplink.pem");
  await writeFile(ca, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
  const address = `tcp:${sim.ready.modem.tcp}`;
  const config = await bench.config(address, `[uplink]\nurl = "https://fleet.example/"\nca = "${ca}"\ntoken_credential = "uplink-token"\n`);
  expect((await bench.run("simwardd", "--config", config)).code).toBe(2);
  const finding = await diagnosed(bench, config, "daemon", /does not start, since 20.*the credential uplink-token/);
  expect(finding).toMatchObject({ level: "fail", mend: expect.stringContaining("systemctl restart simwardd") });
  const daemon = await bench.daemon(await bench.config(address));
  daemon.child.kill("SIGKILL");
  await daemon.ended;
  await diagnosed(bench, config, "daemon", /not running/);
});

vehicle("the sockets' directory taken away under a daemon: it is restarted, not asked elsewhere", async (bench) => {
  const config = await bench.config("tcp:127.0.0.1:9");
  await bench.daemon(config);
  await rm(join(bench.dir, "run"), { recursive: true });
  const { mend } = await diagnosed(bench, config, "daemon", /simwardd runs \(pid \d+.*nobody answers/);
  expect(mend).toMatch(/^systemctl restart simwardd/);
});

vehicle("another daemon that uses the same state: by its pid", async (bench) => {
  const daemon = await bench.daemon(await bench.config("tcp:127.0.0.1:9"));
  const config = await bench.config("tcp:127.0.0.1:9", "", { run: "run2" });
  expect((await bench.run("simwardd", "--config", config)).code).toBe(1);
  const asked = async (): Promise<DoctorReport> => {
    const { stdout } = await bench.simward("doctor", "--json", "--config", config, "--socket", join(bench.dir, "run2", "viewer.sock"));
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as DoctorReport;
  };
  const { causes, findings } = await asked();
  expect(causes[0]).toBe("daemon");
  expect(findings.find(({ check }) => check === "daemon")).toMatchObject({
    ...{ cause: expect.stringContaining(`another simwardd (pid ${daemon.child.pid})`), mend: expect.stringContaining("paths.state") },
  });
});

vehicle("a state directory given to another user under a daemon: given back to whom the daemon runs as", async (bench, context) => {
  context.skip(process.getuid?.() !== 0, "left out: only root may do that");
  const config = await bench.config("tcp:127.0.0.1:9");
  await bench.daemon(config);
  await chown(join(bench.dir, "state"), 54_321, 54_321);
  const { mend } = await diagnosed(bench, config, "state-directory", /belongs to uid 54321/);
  expect(mend).toContain(`chown -R root ${join(bench.dir, "state")}`);
});
