// The main job under blows: plays a story on a struck vehicle until it is idle, and names everything that is not as it must be then.
import { integerBelow, seededRandom } from "../../base/random.ts";
import type { Pki } from "../../hw-sim/pki/pki.ts";
import { type Blow, bootstrapIccid, FaultBench, offeredIccid, type Place } from "./fault-bench.ts";

/** How a story may end, as far as the card decides it. */
interface Ending {
  /** State and reason of the order to download. */
  readonly download: readonly [string, string?];
  /** State and reason of the order to enable. */
  readonly enable: readonly [string, string?];
  /** What the eUICC answered to the package, by command. */
  readonly commands: readonly string[];
  readonly enabled: string;
  readonly installed: readonly string[];
  /** What the SM-DP+ hears of, each once. */
  readonly heard: readonly string[];
  /** What the audit trail tells, in that order. */
  readonly told: readonly string[];
}

export interface Story {
  readonly name: string;
  readonly noCoverage: boolean;
  readonly ending: Ending;
}

const installed = [`profileInstallationResult install ${offeredIccid}`, `otherSignedNotification install ${offeredIccid}`];
const switched = [`otherSignedNotification disable ${bootstrapIccid}`, `otherSignedNotification enable ${offeredIccid}`];
const wentBack = [`otherSignedNotification disable ${offeredIccid}`, `otherSignedNotification enable ${bootstrapIccid}`];
const both = [bootstrapIccid, offeredIccid];
const toldOfDownload = ["daemon.started", "download.started", "download.finished", "package.received", "package.executed"];

const enabled: Ending = {
  download: ["done"],
  enable: ["done"],
  commands: ["enableResult ok"],
  enabled: offeredIccid,
  installed: both,
  heard: [...installed, ...switched],
  told: [...toldOfDownload, "profile.enabled", "profile.online", "package.reported"],
};
const rolledBack: Ending = {
  ...enabled,
  enable: ["failed", "rolledBack"],
  commands: ["enableResult ok", "rollbackResult ok"],
  enabled: bootstrapIccid,
  heard: [...enabled.heard, ...wentBack],
  told: [...toldOfDownload, "profile.enabled", "profile.offline", "profile.rolledBack", "package.reported"],
};
const notInstalled: Ending = {
  ...enabled,
  download: ["failed", "installFailedDueToInterruption"],
  enable: ["failed", "enableResult: iccidOrAidNotFound"],
  commands: ["enableResult iccidOrAidNotFound"],
  enabled: bootstrapIccid,
  installed: [bootstrapIccid],
  heard: ["profileInstallationResult install failed"],
  told: ["daemon.started", "download.started", "download.failed", "package.received", "package.executed", "package.reported"],
};
const notEnabled: Ending = {
  ...enabled,
  commands: [],
  enabled: bootstrapIccid,
  heard: installed,
  told: [...toldOfDownload, "package.reported"],
};

export const stories = {
  demo: { name: "download, enable with the rollback flag, report", noCoverage: false, ending: enabled },
  noCoverage: { name: "download, enable without coverage, rollback, report", noCoverage: true, ending: rolledBack },
} as const satisfies Record<string, Story>;

type Orders = ReturnType<FaultBench["order"]>;

export interface Played {
  /** What fell, in order. */
  readonly struck: readonly string[];
  readonly steps: FaultBench["steps"];
  readonly lives: number;
  /** What is not as it must be; empty when all is well. */
  readonly wrong: readonly string[];
  /** Of virtual time, from power to idle. */
  readonly tookMs: number;
}

export interface Swept {
  /** Where it was struck. */
  readonly points: number;
  /** With the blow and the seed that led to it. */
  readonly wrong: readonly string[];
}

/** One blow a run, at the first step there, one stride further, and so on until the job is over before the blow falls. */
export async function sweep(story: Story, pki: Pki, what: Blow["what"], at: Place, stride: number, seed: number): Promise<Swept> {
  const wrong: string[] = [];
  for (let points = 0; ; points++) {
    const n = 1 + points * stride;
    const played = await play(story, pki, seed + n, [{ what, at, n }]);
    if (played.wrong.length > 0) wrong.push(`seed ${seed + n}, ${what} at ${at} ${n}: ${played.wrong.join("; ")}`);
    if (played.struck.length === 0) return { points, wrong };
  }
}

/** One to four blows of any kind, each so far from the one before that it may fall on the recovery from that. */
export function randomBlows(seed: number): readonly Blow[] {
  const random = seededRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[integerBelow(random, items.length)] as T;
  return Array.from({ length: 1 + integerBelow(random, 4) }, () => {
    const at = pick(["disk", "disk", "wire", "wire", "card"] as const);
    const what = pick(at === "disk" ? (["kill", "power", "full", "reset"] as const) : (["kill", "power", "reset"] as const));
    return { what, at, n: 1 + integerBelow(random, { disk: 35, wire: 250, card: 8 }[at]) };
  });
}

/** A run for each seed. */
export async function storm(story: Story, pki: Pki, firstSeed: number, count: number): Promise<Swept> {
  const wrong: string[] = [];
  let points = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const played = await play(story, pki, seed, randomBlows(seed));
    points += played.struck.length;
    if (played.wrong.length > 0) wrong.push(`seed ${seed}, ${played.struck.join(", ")}: ${played.wrong.join("; ")}`);
  }
  return { points, wrong };
}

/** Plays to the end and looks at everything; `blows` fall one after the other. */
export async function play(
  story: Story,
  pki: Pki,
  seed: number,
  blows: readonly Blow[],
  more: { readonly forgetful?: boolean } = {},
): Promise<Played> {
  const bench = new FaultBench({ pki, seed, noCoverage: story.noCoverage, blows, ...more });
  const results: unknown[] = [];
  bench.eim.onEvent((event) => event.type === "result" && results.push(event));
  const orders = bench.order();
  const isOver = (id: string): boolean => ["done", "failed"].includes(String(bench.eim.order(id)?.state));
  bench.start();
  try {
    await bench.until("the vehicle is idle", () => isOver(orders.download) && isOver(orders.enable) && bench.idle);
    const { struck, steps, lives } = bench;
    const tookMs = Math.round(bench.clock.monotonicMs());
    const played = { struck: [...struck], steps: { ...steps }, lives, tookMs };
    // Nothing more must come of it: not by more polls, not by another start. What a full disk refused is written meanwhile.
    await bench.pollsPass(2);
    bench.disarm();
    bench.killNow();
    await bench.pollsPass(1);
    await bench.until("the vehicle is idle again", () => bench.idle);
    const ending = endingOf(story, bench, orders);
    const wrong = outcome(ending, bench, orders, results.length);
    await bench.stop();
    return { ...played, wrong: [...wrong, ...(await records(ending, bench))] };
  } catch (error) {
    await bench.stop().catch(() => undefined);
    const wrong = [error instanceof Error ? error.message : String(error)];
    return {
      struck: [...bench.struck],
      steps: { ...bench.steps },
      lives: bench.lives,
      tookMs: Math.round(bench.clock.monotonicMs()),
      wrong,
    };
  }
}

const interruption = "processingTerminated interruption";

/** The story's own, unless the card's power went while the card was at work: then the card says so itself, signed (SGP.32 §2.11.2.1). */
function endingOf(story: Story, bench: FaultBench, orders: Orders): Ending {
  if (!bench.struck.some((blow) => /^(power|reset) /.test(blow))) return story.ending;
  const commands = commandsOf(bench);
  const carriedOut = commands.filter((command) => command !== interruption);
  const notLoaded = bench.eim.order(orders.download)?.reason === notInstalled.download[1];
  const ending = notLoaded ? notInstalled : carriedOut.length === 0 ? notEnabled : story.ending;
  if (carriedOut.length === commands.length) return ending;
  // A command that the power cut off has no other reason to have failed, whatever the download came to.
  const cutOff = ending.enable[0] === "done" || carriedOut.length === 0;
  return { ...ending, commands, enable: cutOff ? ["failed", "processingTerminated: interruption"] : ending.enable };
}

function commandsOf({ eim }: FaultBench): string[] {
  const commands = (eim.results()[0]?.commands ?? []) as readonly { readonly kind: string; readonly value: unknown }[];
  return commands.map(({ kind, value }) => `${kind} ${String(value)}`);
}

function outcome(ending: Ending, bench: FaultBench, orders: Orders, resultsTaken: number): string[] {
  const { eim, smdp, euicc } = bench;
  const wrong: string[] = [];
  const expect = (what: string, is: unknown, should: unknown): void => {
    if (JSON.stringify(is) !== JSON.stringify(should)) wrong.push(`${what}: ${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
  };
  const standing = (id: string): readonly unknown[] => [eim.order(id)?.state, eim.order(id)?.reason].filter((one) => one !== undefined);
  expect("the order to download", standing(orders.download), ending.download);
  expect("the order to enable", standing(orders.enable), ending.enable);
  expect("verified results at the eIM", eim.results().length, 1);
  expect("results and refusals that reached the eIM", resultsTaken, 1);
  expect("the result's commands", commandsOf(bench), ending.commands);
  const profiles = euicc.profiles();
  const iccids = (state?: string): readonly string[] =>
    profiles.filter((profile) => state === undefined || profile.state === state).map(({ iccid }) => iccid);
  expect("installed", iccids(), ending.installed);
  expect("enabled", iccids("enabled"), [ending.enabled]);
  expect("what the module uses", bench.module.sim.iccid, ending.enabled);
  expect("on the card, unacknowledged", euicc.pending(), { notifications: [], packageResults: [] });
  const heard = smdp.notifications.map((one) => `${one.kind} ${one.event} ${one.installed === false ? "failed" : one.iccid}`);
  expect("what the SM-DP+ heard of", [...heard].sort(), [...ending.heard].sort());
  expect("unverified at the SM-DP+", smdp.notifications.filter(({ verified }) => !verified).length, 0);
  const delivered = new Set(smdp.notifications.map(({ seqNumber }) => seqNumber));
  expect(
    "lost notifications",
    [...bench.notified].filter((seqNumber) => !delivered.has(seqNumber)),
    [],
  );
  return wrong;
}

async function records(ending: Ending, bench: FaultBench): Promise<string[]> {
  const wrong: string[] = [];
  try {
    const { problem, records: trail, journal } = await bench.readBack();
    if (problem !== undefined) wrong.push(`the audit trail is broken: ${problem}`);
    let from = 0;
    for (const event of ending.told) {
      const at = trail.findIndex((record, index) => index >= from && record.event === event);
      if (at < 0) wrong.push(`the audit trail lacks ${event} ${trail.some((record) => record.event === event) ? "in its place" : ""}`);
      else from = at;
    }
    for (const seqNumber of bench.notified) {
      const told = trail.some(
        ({ event, data }) =>
          (event === "notification.delivered" && data?.seqNumber === seqNumber) ||
          (event === "package.reported" && (data as { readonly acknowledged: readonly number[] }).acknowledged.includes(seqNumber)),
      );
      if (!told) wrong.push(`the audit trail does not tell of the delivery of notification ${seqNumber}`);
    }
    const { operation, outbox, relays } = journal as Record<string, unknown>;
    const left = JSON.stringify({ operation, outbox, relays });
    if (left !== '{"outbox":[],"relays":{}}') wrong.push(`left in the journal: ${left}`);
  } catch (error) {
    wrong.push(`the disk is not readable: ${error instanceof Error ? error.message : error}`);
  }
  return wrong;
}
