// One round of real kill -9: the shipped daemon carries the demo's orders out and is killed at moments that a seed decides, as often as
// asked for; in the end everything must be as if nobody had killed it.
import { integerBelow, type Random, seededRandom } from "../../base/random.ts";
import { bootstrapIccid, offeredIccid } from "./fault-bench.ts";
import { type Bundles, Daemon, type Life, Sim } from "./shipped.ts";

export interface KillRound {
  readonly seed: number;
  readonly noCoverage: boolean;
  readonly kills: number;
}

export interface KillOutcome {
  /** "life 1, line 37": when it was killed. */
  readonly killed: readonly string[];
  readonly lives: number;
  readonly tookMs: number;
  readonly wrong: readonly string[];
}

/** About how many lines the daemon logs from its start until all is done. */
const linesOfAJob = 150;
const token = "RHEINFUNK-1";

export async function killRound(bundles: Bundles, { seed, noCoverage, kills }: KillRound): Promise<KillOutcome> {
  const random = seededRandom(seed);
  const startMs = performance.now();
  const sim = await Sim.start(bundles, noCoverage ? ["--scenario", "no-coverage"] : []);
  const killed: string[] = [];
  let life: Life | undefined;
  let lives = 0;
  try {
    const daemon = await Daemon.create(bundles, sim.dir, sim.ready, '[eim]\nonline_timeout_seconds = 12\n[log]\nlevel = "debug"\n');
    const activationCode = `LPA:1$${new URL(sim.ready.smdp.https).host}$${token}`;
    const download = await sim.order({ kind: "download", activationCode });
    const enable = await sim.order({ kind: "euiccPackage", psmos: [{ enable: { iccid: offeredIccid, rollback: true } }] });
    const isDone = async (): Promise<boolean> => (await sim.isOver(download)) && (await sim.isOver(enable)) && (await nothingWaits(daemon));
    for (let left = kills; left >= 0; left--) {
      life = daemon.start();
      lives++;
      const done = urge(daemon, life, isDone);
      await (left > 0 ? Promise.race([done, doom(life, random)]) : done);
      if (left === 0) break;
      killed.push(`life ${lives}, line ${life.lines()}`);
      life.child.kill("SIGKILL");
      await life.ended;
      await done;
    }
    const wrong = await look(sim, daemon, noCoverage, { download, enable });
    return { killed, lives, tookMs: Math.round(performance.now() - startMs), wrong };
  } finally {
    life?.child.kill("SIGKILL");
    await life?.ended;
    await sim.stop();
  }
}

/** Polls until it is so, or the life is over. */
async function urge(daemon: Daemon, life: Life, isDone: () => Promise<boolean>): Promise<void> {
  while (!life.over()) {
    try {
      await daemon.poll();
      if (await isDone()) return;
    } catch {
      // Not listening yet, no module yet, or killed meanwhile.
    }
    await life.next();
  }
}

/** Resolves after so many lines of the log, and up to some turns of the event loop: at no particular moment. */
async function doom(life: Life, random: Random): Promise<void> {
  const line = 1 + integerBelow(random, linesOfAJob);
  const turns = integerBelow(random, 2_000);
  while (life.lines() < line && !life.over()) await life.next();
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function nothingWaits(daemon: Daemon): Promise<boolean> {
  const { operation, pending, network } = await daemon.status();
  return operation === undefined && pending.notifications === 0 && pending.packageResults === 0 && network.address !== undefined;
}

async function look(
  sim: Sim,
  daemon: Daemon,
  noCoverage: boolean,
  orders: { readonly download: string; readonly enable: string },
): Promise<string[]> {
  const wrong: string[] = [];
  const expect = (what: string, is: unknown, should: unknown): void => {
    if (JSON.stringify(is) !== JSON.stringify(should)) wrong.push(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
  };
  const commands = noCoverage ? ["enableResult ok", "rollbackResult ok"] : ["enableResult ok"];
  const download = await sim.orderState(orders.download);
  const enable = await sim.orderState(orders.enable);
  expect("the order to download", [download.state, download.reason ?? ""], ["done", ""]);
  expect("the order to enable", [enable.state, enable.reason ?? ""], noCoverage ? ["failed", "rolledBack"] : ["done", ""]);
  const results = (await sim.get("/v1/results")) as readonly {
    readonly verified: boolean;
    readonly commands: readonly { kind: string; value: unknown }[];
  }[];
  expect(
    "results at the eIM",
    results.map(({ verified, commands: all }) => [verified, ...all.map(({ kind, value }) => `${kind} ${String(value)}`)]),
    [[true, ...commands]],
  );
  const told = await sim.told();
  expect("results the eIM took for new", told.filter(({ type }) => type === "result").length, 1);
  expect(
    "what the eIM refused",
    told.filter(({ type }) => type === "refused"),
    [],
  );
  const installations = told.filter(({ type, kind }) => type === "notification" && kind === "profileInstallationResult");
  expect(
    "installation results",
    installations.map(({ verified }) => verified),
    [true],
  );
  const numbers = (type: string): readonly unknown[] =>
    told
      .filter((event) => event.type === type)
      .map(({ seqNumber }) => seqNumber)
      .sort();
  expect("notifications, each once", numbers("notification"), [...new Set(numbers("notification"))]);
  expect("what the SM-DP+ was sent", numbers("forwarded"), numbers("notification"));
  expect(
    "what it did not take",
    told.filter(({ type, outcome }) => type === "forwarded" && outcome !== "delivered"),
    [],
  );
  const { profiles } = await daemon.status();
  expect(
    "enabled",
    profiles.filter(({ state }) => state === "enabled").map(({ iccid }) => iccid),
    [noCoverage ? bootstrapIccid : offeredIccid],
  );
  expect("installed", profiles.map(({ iccid }) => iccid).sort(), [offeredIccid, bootstrapIccid].sort());
  expect("the audit trail", (await daemon.verify()).ok, true);
  const events = (await daemon.audit()).map(({ event }) => event);
  const wanted = ["download.finished", "notification.delivered", "package.executed", "profile.enabled", "package.reported"];
  for (const event of noCoverage ? [...wanted, "profile.rolledBack"] : wanted)
    if (!events.includes(event)) wrong.push(`the audit trail lacks ${event}`);
  if (daemon.complaints !== "") wrong.push(`the daemon complained: ${daemon.complaints}`);
  if (sim.complaints !== "") wrong.push(`the vehicle complained: ${sim.complaints}`);
  return wrong;
}
