// make demo: a virtual vehicle, the real daemon on its port, and an eIM's orders, shown live. Uses only the ready line, the order API and the command line.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const dist = dirname(fileURLToPath(import.meta.url));
const noCoverage = process.env.FAIL === "no-coverage";
const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
const bold = (text: string): string => (color ? `\u001b[1m${text}\u001b[0m` : text);
const children = new Set<ChildProcess>();
/** Aborted with the reason for which the demo is over before its end. */
const broken = new AbortController();
/** From then on children go, and no more are started. */
let ending = false;
/** How long children may take to clean up. */
const farewellMs = 5_000;
/** A socket's path has 107 octets, and those of the daemon stand in a directory of the demo's. */
const longestTmp = 55;

interface Ready {
  readonly modem: { readonly pty: string };
  readonly eim: { readonly id: string; readonly coaps: string; readonly api: string };
  readonly smdp: { readonly https: string };
  readonly eid: string;
}

interface Order {
  readonly state: string;
  readonly [key: string]: unknown;
}

interface StatusReport {
  readonly profiles: readonly { readonly iccid: string; readonly state: string }[];
  readonly network: { readonly link: string; readonly address?: string };
  readonly eims: readonly unknown[];
}

function say(text: string, command?: string): void {
  process.stdout.write(`\n${bold(text)}\n${command === undefined ? "" : `$ ${command}\n`}`);
}

function start(name: string, args: readonly string[], stdio: ("ignore" | "inherit" | "pipe")[]): ChildProcess {
  if (ending) throw new Error("the demo is over");
  const child = spawn(process.execPath, [join(dist, `${name}.mjs`), ...args], { stdio });
  children.add(child);
  child.once("close", () => children.delete(child));
  return child;
}

/** One that is to be there until it is told to go. */
function startService(name: string, args: readonly string[], stdio: ("ignore" | "inherit" | "pipe")[]): ChildProcess {
  const child = start(name, args, stdio);
  child.once("close", (code, signal) => {
    if (!ending) broken.abort(new Error(`${name} has ended by itself (${signal ?? `exit code ${code}`}); what it said stands above`));
  });
  return child;
}

/** Children remove what they made; those that do not go are ended. */
async function stop(...leaving: readonly ChildProcess[]): Promise<void> {
  ending = true;
  const gone = leaving.map((child) => (child.exitCode === null && child.signalCode === null ? once(child, "close") : undefined));
  for (const child of leaving) child.kill("SIGTERM");
  const late = setTimeout(() => {
    for (const child of leaving) child.kill("SIGKILL");
  }, farewellMs);
  await Promise.all(gone);
  clearTimeout(late);
}

/** Runs a program to its end; answers its exit code and what it printed, if that was asked for. */
async function run(name: string, args: readonly string[], show: boolean): Promise<{ readonly code: number; readonly stdout: string }> {
  const child = start(name, args, ["ignore", show ? "inherit" : "pipe", show ? "inherit" : "ignore"]);
  let stdout = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString("utf8");
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? 1, stdout };
}

async function readyLine(child: ChildProcess): Promise<Ready> {
  if (child.stdout === null) throw new Error("the virtual vehicle has no output");
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Ready;
  throw new Error("the virtual vehicle ended before it was ready");
}

async function order(api: string, body: object): Promise<string> {
  const response = await fetch(`${api}/v1/orders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the eIM refused the order: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { readonly orderId: string }).orderId;
}

async function orderState(api: string, id: string): Promise<Order> {
  return (await (await fetch(`${api}/v1/orders/${id}`)).json()) as Order;
}

/** Asks until the answer is the one wanted; what is waited for has deadlines of its own, this one only ends a broken demo. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (let left = 300; left > 0 && !ending; left--) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited too long for ${what}`);
}

async function demo(dir: string): Promise<boolean> {
  process.stdout.write(
    `${bold("A vehicle gets another SIM profile over the air.")}
Its daemon, simwardd, is the real one; module, eUICC, network,
eIM and SM-DP+ are simulated on loopback. Nothing else of this
machine is touched. It takes about 15 s and ends by itself.
`,
  );
  say("1  A virtual vehicle, and its servers", "simward-sim run …");
  const sim = startService(
    "simward-sim",
    ["run", "--modem", "pty", "--pki", join(dir, "pki"), "--log-level", "error", ...(noCoverage ? ["--scenario", "no-coverage"] : [])],
    ["ignore", "pipe", "inherit"],
  );
  const ready = await readyLine(sim);
  const { api } = ready.eim;
  process.stdout.write(`module  ${ready.modem.pty}\neIM     ${ready.eim.coaps} (${ready.eim.id})\nSM-DP+  ${ready.smdp.https}\n`);

  say("2  The daemon on the module's port", "simwardd --config simward.toml");
  const apiDir = join(dir, "run");
  const stateDir = join(dir, "state");
  const config = join(dir, "simward.toml");
  await writeFile(
    config,
    `[modem]\naddress = "pty:${ready.modem.pty}"\n[[apn]]\nname = "bootstrap.iot"\n[[apn]]\nname = "fleet.rheinfunk"\niccid_prefix = "894929"\n[eim]\nonline_timeout_seconds = 10\n[api]\ndir = "${apiDir}"\n[paths]\nstate = "${stateDir}"\n[log]\nlevel = "error"\n`,
  );
  const daemon = startService("simwardd", ["--config", config], ["ignore", "inherit", "inherit"]);
  const cli = (args: readonly string[], show: boolean) => run("simward", [...args, "--state-dir", stateDir], show);
  process.env.SIMWARD_API_DIR = apiDir;
  const status = async (): Promise<StatusReport> =>
    JSON.parse((await cli(["status", "--json", "--show-ids"], false)).stdout) as StatusReport;
  const before = await until("the data path", async () => {
    const report = await status();
    return report.network.address !== undefined && report.eims.length > 0 ? report : undefined;
  });
  const bootstrap = before.profiles.find((profile) => profile.state === "enabled")?.iccid;
  process.stdout.write("$ simward status\n");
  await cli(["status"], true);

  say("3  The eIM orders a profile download; the vehicle polls", "simward eim poll");
  process.stdout.write("(ESipa: with the eIM, over CoAP/DTLS. ES10: with the eUICC, over AT.)\n");
  const events = start("simward", ["events"], ["ignore", "inherit", "inherit"]);
  const activationCode = `LPA:1$${new URL(ready.smdp.https).host}$RHEINFUNK-1`;
  const download = await order(api, { eid: ready.eid, kind: "download", activationCode });
  await cli(["eim", "poll", "--quiet"], false);
  const downloaded = await until("the download", async () => {
    const report = await orderState(api, download);
    return report.state === "done" || report.state === "failed" ? report : undefined;
  });

  say("4  The eIM orders: enable it; without network, go back", "simward eim poll");
  const target = (await status()).profiles.find((profile) => profile.state === "disabled")?.iccid;
  const enable = await order(api, { eid: ready.eid, kind: "euiccPackage", psmos: [{ enable: { iccid: target, rollback: true } }] });
  await cli(["eim", "poll", "--quiet"], false);
  const enabled = await until("the result", async () => {
    const report = await orderState(api, enable);
    return report.state === "done" || report.state === "failed" ? report : undefined;
  });
  events.kill();

  say("5  The order as the eIM holds it now, with the eUICC's signed result", `curl ${api}/v1/orders/${enable}`);
  process.stdout.write(`${JSON.stringify({ ...enabled, message: undefined }, undefined, 1)}\n`);

  say("6  Where the vehicle stands", "simward status");
  await cli(["status"], true);
  say("7  The end of the audit trail", "simward audit tail -n 12");
  await cli(["audit", "tail", "-n", "12"], true);
  process.stdout.write("$ simward audit verify\n");
  const verified = await cli(["audit", "verify"], true);

  const now = (await status()).profiles.find((profile) => profile.state === "enabled")?.iccid;
  const expected = noCoverage ? bootstrap : target;
  await stop(daemon);
  await stop(sim);
  const wentAsOrdered = noCoverage ? enabled.state === "failed" && enabled.reason === "rolledBack" : enabled.state === "done";
  const ok = downloaded.state === "done" && wentAsOrdered && verified.code === 0 && now !== undefined && now === expected;
  const story = noCoverage
    ? "The new profile found no network; the vehicle is back on the old one, and the eIM knows."
    : "Done: downloaded, enabled, online, reported.";
  const found = `download ${downloaded.state}, enable ${enabled.state}${enabled.reason === undefined ? "" : ` (${enabled.reason})`}, enabled profile ${now}, audit verify ${verified.code}`;
  say(ok ? story : `This is not how it should have ended: ${found}.`);
  return ok;
}

/** Answers the exit code. */
async function main(): Promise<number> {
  const { FAIL = "" } = process.env;
  if (FAIL !== "" && !noCoverage) throw new Error(`FAIL=${FAIL}: what can be made to fail is FAIL=no-coverage`);
  const base = tmpdir().length > longestTmp ? "/tmp" : tmpdir();
  const dir = await mkdtemp(join(base, "simward-demo-"));
  // What the programs put aside goes with it, however they end.
  process.env.TMPDIR = dir;
  let asked: NodeJS.Signals | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      asked = signal;
      broken.abort(new Error(`${signal}: stopping`));
    });
  const early = new Promise<never>((_, reject) => broken.signal.addEventListener("abort", () => reject(broken.signal.reason)));
  try {
    return (await Promise.race([demo(dir), early])) ? 0 : 1;
  } catch (error) {
    complain(error);
    return asked === undefined ? 1 : 128 + constants.signals[asked];
  } finally {
    await stop(...children);
    await rm(dir, { recursive: true, force: true });
  }
}

function complain(error: unknown): void {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`);
}

// Whoever reads along may have gone (`make demo | head`): then it is over, and cleans up.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => broken.abort(new Error("nobody reads along")));
process.exit(
  await main().catch((error: unknown) => {
    complain(error);
    return 1;
  }),
);
