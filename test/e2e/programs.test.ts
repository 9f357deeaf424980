// The programs themselves, as a stranger starts them: the main job in three processes, what they say of wrong input, and how they end.
import { appendFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allPrograms, ProgramBench, until } from "../support/e2e-programs.ts";
import { bundlePrograms } from "../support/shipped.ts";

const bootstrap = "8988298000000000017";
const fleet = "8949299000000000026";
const isOver = ({ state }: { readonly state: string }): boolean => state === "done" || state === "failed";

let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
beforeAll(async () => {
  bundles = await bundlePrograms(allPrograms);
});
afterAll(() => bundles.close());

/** At once with the others of this file, as processes mostly wait; on a bench of its own. */
function program(title: string, run: (bench: ProgramBench) => Promise<void>): void {
  test.concurrent(title, async () => {
    const bench = await ProgramBench.create(bundles.dir);
    try {
      await run(bench);
    } finally {
      await bench.close();
    }
  });
}

const enableFleet = { kind: "euiccPackage", psmos: [{ enable: { iccid: fleet, rollback: true } }] };

program(
  "simward-sim, simwardd and simward: do the main job, show each step, keep identifiers to themselves, and end cleanly",
  async (bench) => {
    const sim = await bench.sim("--modem", "pty");
    const config = await bench.config(`pty:${sim.ready.modem.pty}`);
    const daemon = await bench.daemon(config);
    await bench.online();
    const first = await bench.simward("status");
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(first.stdout).toMatch(/^Card {5}EID 8904…1235 {2}SGP\.32/);
    expect(first.stdout).toMatch(/\nProfile {2}8988…0017 {2}"Worldlink bootstrap" {2}Worldlink {2}enabled\n/);
    expect(first.stdout).toMatch(/\nNetwork {2}LTE {2}262 98 {2}roaming .* APN bootstrap\.iot {2}online 10\./);

    const download = await sim.order({ kind: "download", activationCode: sim.activationCode("RHEINFUNK-1") });
    const polled = await bench.simward("eim", "poll");
    expect(polled).toMatchObject({ code: 0, stdout: "eim.example.com  1 package answered\n" });
    for (const step of [
      /ESipa\.GetEimPackage +26 B out/,
      /package from eim\.example\.com: profileDownload/,
      /ES10b\.AuthenticateServer/,
      /profile 8949…0026 "Rheinfunk fleet"/,
      /segment \[#+\] 7\/7/,
      /profile installed: 8949…0026/,
      /notification 1 \(notificationInstall\) delivered/,
    ])
      expect(polled.stderr).toMatch(step);
    expect(await download()).toMatchObject({ state: "done" });

    const enable = await sim.order(enableFleet);
    expect(await bench.simward("eim", "poll")).toMatchObject({ code: 0 });
    expect(await enable()).toMatchObject({ state: "done", results: [{ verified: true }] });
    const { profiles, network } = await bench.online();
    expect(profiles.map(({ iccid, state }) => [iccid, state])).toEqual([
      [bootstrap, "disabled"],
      [fleet, "enabled"],
    ]);
    expect(network).toMatchObject({ apn: "fleet.rheinfunk", registration: "home" });
    expect((await bench.simward("profile", "list")).stdout).toMatch(/8949…0026 +enabled +operational +Rheinfunk fleet/);
    expect(await bench.simward("eim", "poll", "--quiet")).toEqual({ code: 0, stdout: "eim.example.com  nothing waits\n", stderr: "" });

    const trail = (await bench.simward("audit", "tail")).stdout;
    for (const event of ["download.finished", "profile.enabled", "profile.online", "package.reported"]) expect(trail).toContain(event);
    const verified = await bench.simward("audit", "verify");
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whole {2}\d+ records/) });

    daemon.child.kill("SIGTERM");
    expect(await daemon.ended).toBe(0);
    expect(await bench.simward("status")).toMatchObject({ code: 4, stderr: expect.stringContaining("API_NOT_RUNNING") });
    expect((await bench.simward("audit", "verify")).code).toBe(0);
    sim.process.child.kill("SIGTERM");
    expect(await sim.process.ended).toBe(0);
    for (const secret of [String(sim.ready.eid), sim.ready.imei, bootstrap, fleet, "RHEINFUNK-1"])
      expect([daemon.stdout(), daemon.stderr(), polled.stderr, trail].filter((text) => text.includes(secret))).toEqual([]);
    expect(await readdir(join(bench.dir, "tmp"))).toEqual([]);
  },
);

program("simward-sim, simwardd and simward: what goes wrong is shown by its name, with its exit code", async (bench) => {
  const sim = await bench.sim("--modem", "unix");
  await bench.daemon(await bench.config(`unix:${sim.ready.modem.unix}`));
  await bench.online();
  await sim.fault({ eim: { wrongSigningKey: 1 } });
  await sim.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
  expect((await bench.simward("eim", "poll")).stderr).toMatch(
    /\nrefused by the eUICC: no reason given.*\n[\s\S]*reported to eim\.example\.com: euiccPackage\n/,
  );
  await sim.fault({ eim: { wrongEid: 1 } });
  await sim.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
  expect((await bench.simward("eim", "poll")).stderr).toMatch(/\nrefused by the eUICC: invalidEid\n/);
  await sim.order({ kind: "raw", hex: "00112233" });
  expect((await bench.simward("eim", "poll")).stderr).toMatch(/refused: PACKAGE_FORMAT .*\n[\s\S]*\nreported to eim\.example\.com\n/);

  await sim.fault({ eim: { tlsCertificate: "expired" } });
  const expired = await bench.simward("eim", "poll");
  expect(expired).toMatchObject({
    code: 11,
    stdout: expect.stringMatching(/^eim\.example\.com {2}failed {2}TLS_EXPIRED: .*next: check the device's clock/),
  });
  expect((await bench.simward("status")).stdout).toMatch(/eim\.example\.com .* TLS_EXPIRED/);
  const json = JSON.parse((await bench.simward("eim", "poll", "--json", "--quiet")).stdout);
  expect(json).toMatchObject({
    schema: "simward/poll/1",
    eims: [{ outcome: "failed", error: { code: "TLS_EXPIRED", retry: "operator" } }],
  });
  expect(await bench.simward("eim", "poll", "nobody")).toMatchObject({ code: 3, stderr: expect.stringContaining("EIM_UNKNOWN") });
});

program("wrong input: each program says what is wrong, where, and what to do, and exits as documented", async (bench) => {
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(bench.dir, name), text);
    return join(bench.dir, name);
  };
  const nowhere = 'address = "pty:/nowhere"\n';
  const config = async (name: string, more: string): Promise<readonly string[]> => [
    "--config",
    await write(name, `[modem]\n${nowhere}${more}[paths]\nstate = "${bench.dir}/${name}.state"\n`),
  ];
  const wrong: readonly (readonly ["simward-sim" | "simwardd" | "simward", readonly string[], number, RegExp])[] = [
    ["simwardd", ["--config", join(bench.dir, "none.toml")], 2, /^error CONFIG_READ: .*none\.toml: ENOENT.*\n {2}next: check the path/],
    ["simwardd", ["--config", await write("broken.toml", "[modem\n")], 2, /^error CONFIG_SYNTAX: .*broken\.toml, line 1/],
    ["simwardd", ["--config", await write("empty.toml", "")], 2, /^error CONFIG_INVALID: .*modem is missing/],
    ["simwardd", await config("keys.toml", "[eim]\npoll = 3\n"), 2, /eim\.poll is no setting/],
    ["simwardd", await config("family.toml", 'family = "zzz"\n'), 2, /^error CONFIG_INVALID: .*modem\.family must be .*"zzz"/],
    [
      "simwardd",
      await config("ca.toml", '[[eim.peer]]\neim_id = "a"\nca = "/nope"\n'),
      2,
      /error CONFIG_READ: .*eim\.peer\.ca \/nope: ENOENT/,
    ],
    ["simwardd", await config("api.toml", `[api]\ndir = "${bench.dir}/family.toml/x"\n`), 2, /error CONFIG_INVALID: .*api\.dir .*ENOTDIR/],
    ["simward", ["statos"], 2, /there is no verb "statos"; did you mean simward status/],
    ["simward", ["status"], 4, /^error API_NOT_RUNNING: .*\n {2}next: systemctl status simwardd/],
    ["simward", ["package", "decode", "zz"], 3, /zz is neither hex nor a file/],
    ["simward", ["package", "decode", "BF4F03020101FF"], 2, /^error ASN1_TRAILING: .*offset 6/],
    ["simward", ["audit", "verify", join(bench.dir, "none")], 3, /there are no audit records in .*none/],
    ["simward-sim", ["run", "--loss", "2"], 2, /^simward-sim: .*loss=2.*0\.\.1[\s\S]*next: /],
    ["simward-sim", ["run", "--scenario", "moon"], 2, /"moon" is none of demo/],
  ];
  await Promise.all(
    wrong.map(async ([name, args, code, message]) => {
      const ran = await bench.run(name, ...args);
      expect(ran.stderr, `${name} ${args.join(" ")}`).toMatch(message);
      expect(ran.code, `${name} ${args.join(" ")}`).toBe(code);
      if (name !== "simwardd") expect(ran.stdout).toBe("");
    }),
  );
});

program("wrong input: package decode and audit verify need no daemon", async (bench) => {
  const decoded = await bench.simward("package", "decode", "--type", "GetEimPackageResponse", "BF4F03020101");
  expect(decoded).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^0 +BF4F GetEimPackageResponse[\s\S]*noEimPackageAvailable\(1\)\n$/),
  });
  expect(await bench.simward("package", "decode", "--reencode", "BF4F8103020101")).toMatchObject({ code: 0, stdout: "BF4F03020101\n" });
});

program("wrong input: an audit trail that somebody changed is found, and the daemon starts all the same, and says so", async (bench) => {
  const sim = await bench.sim("--modem", "tcp");
  const config = await bench.config(`tcp:${sim.ready.modem.tcp}`);
  const daemon = await bench.daemon(config);
  await bench.online();
  daemon.child.kill("SIGTERM");
  expect(await daemon.ended).toBe(0);
  const [segment = ""] = (await readdir(join(bench.dir, "state", "audit"))).filter((name) => name.endsWith(".jsonl"));
  await appendFile(join(bench.dir, "state", "audit", segment), '{"seq":99,"event":"nothing.happened"}\n');
  expect(await bench.simward("audit", "verify")).toMatchObject({ code: 1, stdout: expect.stringMatching(/^BROKEN {2}.*line \d+/) });
  await bench.daemon(config);
  const { alarms } = await bench.online();
  expect(alarms).toMatchObject([{ code: "AUDIT_BROKEN" }]);
  expect((await bench.simward("status")).stdout).toContain("AUDIT_BROKEN");
});

program(
  "two daemons on one state directory, on one set of sockets: the second does not start; on one port: it waits its turn",
  async (bench) => {
    const sim = await bench.sim("--modem", "pty");
    const address = `pty:${sim.ready.modem.pty}`;
    const first = await bench.daemon(await bench.config(address));
    await bench.online();
    expect(await bench.run("simwardd", "--config", await bench.config(address, "", { run: "run2" }))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error STATE_LOCKED: .*\n {2}next: /),
    });
    expect(await bench.run("simwardd", "--config", await bench.config(address, "", { state: "state2" }))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error API_BUSY: .*viewer\.sock.*\n {2}next: stop it/),
    });
    const waiting = await bench.daemon(await bench.config(address, "", { run: "run2", state: "state2" }));
    await waiting.printed(/PORT_BUSY.*held by \S+ \(pid \d+\)/);
    // The first has not noticed.
    expect((await bench.online()).network.link).toBe("ready");
    first.child.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    await waiting.printed(/modem\.ready/);
    waiting.child.kill("SIGINT");
    expect(await waiting.ended).toBe(0);
  },
);

program(
  "a module that is not there: the daemon waits for it, uses it when it comes, says so when it goes, and takes it back",
  async (bench) => {
    const pty = join(bench.dir, "modem");
    const daemon = await bench.daemon(await bench.config(`pty:${pty}`));
    await daemon.printed(/modem\.unreachable/);
    expect((await bench.simward("status")).stdout).toMatch(
      /^Card {5}not read yet\nModule {3}lost {2}the port could not be opened: .*: ENOENT\n/,
    );
    expect(await bench.simward("eim", "poll")).toMatchObject({
      code: 10,
      stderr: expect.stringMatching(/^error MODEM_ABSENT: .*\n {2}next: /),
    });
    const sim = await bench.sim("--modem", `pty:${pty}`, "--state", join(bench.dir, "vehicle"));
    await bench.online();
    sim.process.child.kill("SIGTERM");
    await sim.process.ended;
    const gone = await bench.status(({ network }) => network.link !== "ready");
    expect(gone.network.address).toBeUndefined();
    await bench.sim("--modem", `pty:${pty}`, "--state", join(bench.dir, "vehicle"));
    await bench.online();
    const trail = (await bench.simward("audit", "tail", "--event", "path.")).stdout;
    expect([...trail.matchAll(/path\.(up|down)/g)].map(([name]) => name)).toEqual(["path.up", "path.down", "path.up"]);
  },
);

const moments = [
  { at: "ESipa\\.AuthenticateClient", order: "download" },
  { at: "segment .* 3/7", order: "download" },
  { at: "package\\.executed|executed by the eUICC", order: "enable" },
  { at: "online with 8949", order: "enable" },
] as const;
for (const { at, order } of moments)
  program(`SIGTERM in mid ${order}, at ${at.split("|")[0]}: ends with 0 in seconds, goes on with the next start, once`, async (bench) => {
    const sim = await bench.sim("--modem", "pty", "--rtt", "150");
    const config = await bench.config(`pty:${sim.ready.modem.pty}`);
    const daemon = await bench.daemon(config);
    await bench.online();
    const download = await sim.order({ kind: "download", activationCode: sim.activationCode("RHEINFUNK-1") });
    if (order === "enable") expect((await bench.simward("eim", "poll")).code).toBe(0);
    const wanted = order === "enable" ? await sim.order(enableFleet) : download;
    const poll = bench.start("simward", "eim", "poll");
    await poll.printed(new RegExp(at));
    daemon.child.kill("SIGTERM");
    expect(await daemon.ended).toBe(0);
    expect(await poll.ended).toBe(1);
    expect(poll.stderr()).toMatch(/error (ABORTED|API_RESPONSE|API_NOT_RUNNING): /);

    await bench.daemon(config);
    await until(wanted, isOver);
    expect(await wanted()).toMatchObject({ state: "done" });
    expect(await sim.get("/v1/results")).toHaveLength(order === "enable" ? 1 : 0);
    // The eIM is done a moment before the vehicle has looked at its card again.
    const { profiles } = await bench.status(({ network, profiles: now }) => network.address !== undefined && now.length === 2);
    expect(profiles.find(({ state }) => state === "enabled")?.iccid).toBe(order === "enable" ? fleet : bootstrap);
    expect((await bench.simward("audit", "verify")).code).toBe(0);
  });
