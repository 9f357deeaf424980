// make demo: a virtual vehicle, the real daemon on its port, and an eIM's orders, shown live. Uses only the ready line, the order API and the command line.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const dist = dirname(fileURLToPath(import.meta.url));
const noCoverage = process.env.FAIL === "no-coverage";
const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
const bold = (text: string): string => (color ? `\u001b[1m${text}\u001b[0m` : text);
const children: ChildProcess[] = [];

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

function say(text: string): void {
  process.stdout.write(`\n${bold(text)}\n`);
}

function start(name: string, args: readonly string[], stdio: ("ignore" | "inherit" | "pipe")[]): ChildProcess {
  const child = spawn(process.execPath, [join(dist, `${name}.mjs`), ...args], { stdio });
  children.push(child);
  return child;
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
  for (let left = 300; left > 0; left--) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited too long for ${what}`);
}

async function demo(dir: string): Promise<boolean> {
  say("1  A virtual vehicle: module, eUICC, radio world, eIM, SM-DP+   (simward-sim run)");
  const sim = start(
    "simward-sim",
    ["run", "--modem", "pty", "--pki", join(dir, "pki"), "--log-level", "error", ...(noCoverage ? ["--scenario", "no-coverage"] : [])],
    ["ignore", "pipe", "inherit"],
  );
  const ready = await readyLine(sim);
  const { api } = ready.eim;
  process.stdout.write(`module on ${ready.modem.pty}, eIM ${ready.eim.id} at ${ready.eim.coaps}, SM-DP+ at ${ready.smdp.https}\n`);

  say("2  The daemon on its port   (simwardd --config simward.toml)");
  const apiDir = join(dir, "run");
  const stateDir = join(dir, "state");
  const config = join(dir, "simward.toml");
  await writeFile(
    config,
    `[modem]\naddress = "pty:${ready.modem.pty}"\n[[apn]]\nname = "bootstrap.iot"\n[[apn]]\nname = "fleet.rheinfunk"\niccid_prefix = "894929"\n[eim]\nonline_timeout_seconds = 10\n[api]\ndir = "${apiDir}"\n[paths]\nstate = "${stateDir}"\n[log]\nlevel = "error"\n`,
  );
  const daemon = start("simwardd", ["--config", config], ["ignore", "inherit", "inherit"]);
  const cli = (args: readonly string[], show: boolean) => run("simward", [...args, "--state-dir", stateDir], show);
  process.env.SIMWARD_API_DIR = apiDir;
  const status = async (): Promise<StatusReport> =>
    JSON.parse((await cli(["status", "--json", "--show-ids"], false)).stdout) as StatusReport;
  daemon.once("close", (code) => {
    if (code !== 0) process.stderr.write(`demo: simwardd ended with ${code}\n`);
  });
  const before = await until("the data path", async () => {
    const report = await status();
    return report.network.address !== undefined && report.eims.length > 0 ? report : undefined;
  });
  const bootstrap = before.profiles.find((profile) => profile.state === "enabled")?.iccid;
  await cli(["status"], true);

  say("3  The eIM orders a profile download with an activation code; the vehicle polls over CoAP/DTLS   (simward eim poll)");
  const events = start("simward", ["events"], ["ignore", "inherit", "inherit"]);
  const activationCode = `LPA:1$${new URL(ready.smdp.https).host}$RHEINFUNK-1`;
  const download = await order(api, { eid: ready.eid, kind: "download", activationCode });
  await cli(["eim", "poll", "--quiet"], false);
  const downloaded = await until("the download", async () => {
    const report = await orderState(api, download);
    return report.state === "done" || report.state === "failed" ? report : undefined;
  });

  say("4  The eIM orders: enable it, with the rollback flag");
  const target = (await status()).profiles.find((profile) => profile.state === "disabled")?.iccid;
  const enable = await order(api, { eid: ready.eid, kind: "euiccPackage", psmos: [{ enable: { iccid: target, rollback: true } }] });
  await cli(["eim", "poll", "--quiet"], false);
  const enabled = await until("the result", async () => {
    const report = await orderState(api, enable);
    return report.state === "done" || report.state === "failed" ? report : undefined;
  });
  events.kill();

  say("5  What the eIM holds now: the result, verified against the eUICC's certificate");
  process.stdout.write(`${JSON.stringify(enabled, undefined, 1)}\n`);

  say("6  Where the vehicle stands   (simward status)");
  await cli(["status"], true);
  say("7  The audit trail   (simward audit tail, simward audit verify)");
  await cli(["audit", "tail", "-n", "12"], true);
  const verified = await cli(["audit", "verify"], true);

  const now = (await status()).profiles.find((profile) => profile.state === "enabled")?.iccid;
  const expected = noCoverage ? bootstrap : target;
  daemon.kill("SIGTERM");
  await once(daemon, "close");
  sim.kill("SIGTERM");
  await once(sim, "close");
  const wentAsOrdered = noCoverage ? enabled.state === "failed" && enabled.reason === "rolledBack" : enabled.state === "done";
  const ok = downloaded.state === "done" && wentAsOrdered && verified.code === 0 && now !== undefined && now === expected;
  say(
    ok
      ? noCoverage
        ? "The new profile found no network; the vehicle is back on the old one, and the eIM knows."
        : "Done: downloaded, enabled, online, reported."
      : "This is not how it should have ended.",
  );
  return ok;
}

const dir = await mkdtemp(join(tmpdir(), "simward-demo-"));
let ok = false;
try {
  ok = await demo(dir);
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`);
} finally {
  for (const child of children) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
}
process.exit(ok ? 0 : 1);
