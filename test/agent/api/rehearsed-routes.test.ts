// Every request of the API that can change something, rehearsed on a whole vehicle: whatever it is, module and card hear questions only, and what is kept
// stays as it was. Who sends what is not asked: with nobody else at work, every line on the wire is the rehearsal's.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { routes } from "../../../agent/api/routes.ts";
import { serveApi } from "../../../agent/api/server.ts";
import { createClient } from "../../../agent/cli/client.ts";
import type { Disk } from "../../../base/disk.ts";
import { isCode } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";
import { es10Functions } from "../../../ipa/euicc/es10.ts";
import { bootstrap, fleet, inWorld, type World } from "../../support/e2e.ts";

const orders = routes.filter(({ method, path }) => method !== "GET" && path !== "/v1/dry-run");
const asking =
  /\?$|^AT$|^AT\+(CCHO|CGLA|CCHC|CSIM|CRSM=(176|178|192|242)|CSQ|CESQ|CEER|CLCC|CPAS|CIMI|CGSN|QCSQ|QNWINFO|CEDRXRDP|CGCONTRDP)|^AT\+QCFG="[a-z]+"$|^AT\+QGDCNT\?|^\+CGAUTH \.\.\.$/;
const reading = new Set(es10Functions.filter(({ reads }) => reads === true).map(({ name }) => name));

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-rehearsed-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** All that is kept, but for what only tells what was said and counted. */
async function kept(disk: Disk, at = "."): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await disk.list(at)) {
    const path = at === "." ? name : `${at}/${name}`;
    if (/^(trace|usage|samples)/.test(path)) continue;
    const octets = await disk.read(path).catch(() => undefined);
    if (octets === undefined) Object.assign(found, await kept(disk, path));
    else found[path] = Buffer.from(octets).toString("latin1");
  }
  return found;
}

async function standing({ vehicle, agent, disk, audit }: World): Promise<object> {
  return {
    profiles: vehicle.euicc.profiles(),
    pending: vehicle.euicc.pending(),
    contexts: structuredClone(vehicle.modem.packet.contexts),
    operation: agent.ipa.status().operation,
    records: (await audit.records()).map(({ event }) => event),
    kept: await kept(disk),
  };
}

/** The example of the route; its targets are those of this card. */
function bodiesOf(example: string): readonly object[] {
  const body = JSON.parse(example) as Record<string, unknown>;
  return "target" in body ? [body, { ...body, target: fleet.iccid }, { ...body, target: bootstrap.iccid }] : [body];
}

for (const [what, given] of [
  ["an IoT eUICC in Quectel's BG95", { personality: "quectel-bg95" }],
  ["a consumer eUICC in a module of no make", { cardRole: "sgp22" }],
] as const)
  test(`${what}: questions only, and nothing is kept`, { timeout: 120_000 }, () =>
    inWorld({ ...given, installed: [fleet], seed: 7, config: "[eim]\npoll_interval_seconds = 86400\n" }, async (world) => {
      const { trace, agent } = world;
      const server = await serveApi({ dir }, agent, silentLog);
      const admin = createClient(join(dir, "admin.sock"), 60_000);
      await world.until(
        () => world.agent.status(),
        ({ network }) => network.rsrpDbm !== undefined,
      );
      const lines: string[] = [];
      const functions: string[] = [];
      const stop = trace.listen(["at", "es10"], ({ layer, direction, text, name, octets }) => {
        if (direction !== "tx") return;
        if (layer === "at") lines.push((text ?? new TextDecoder().decode(octets)).trim());
        else functions.push(name ?? "");
      });
      const outcomes: Record<string, number> = {};
      try {
        const before = await standing(world);
        for (const { method, path, example } of orders)
          for (const body of bodiesOf(example ?? "{}")) {
            const outcome = await admin.call("POST", "/v1/dry-run", { method, path, body }).then(
              (report) => (report as { readonly outcome: string }).outcome,
              (error: unknown) => (isCode(error, "INTERNAL") ? `INTERNAL: ${path}` : "refused"),
            );
            outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
            expect([path, lines.filter((line) => !asking.test(line))]).toEqual([path, []]);
            expect([path, functions.filter((name) => !reading.has(name))]).toEqual([path, []]);
            expect([path, await standing(world)]).toEqual([path, before]);
          }
      } finally {
        stop();
        await server.close();
      }
      // Each of the ways it can come out was gone.
      expect(Object.keys(outcomes).sort()).toEqual(["commands", "nothing", "refused", "unknown"]);
      expect(orders.length).toBeGreaterThan(40);
      expect(lines.length).toBeGreaterThan(0);
    }),
  );
