// The page through everything that is real: the virtual vehicle, its agent, the local API's socket, the page's server, Chromium.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { expect, it } from "vitest";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { createClient } from "../../../agent/cli/client.ts";
import { readUiFiles } from "../../../agent/ui/files.ts";
import { serveUi } from "../../../agent/ui/server.ts";
import { SystemClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { systemRandom } from "../../../base/random.ts";
import { fleet, inWorld, type World } from "../../support/e2e.ts";
import { need, program } from "../../support/programs.ts";

const chromiumProgram = program("chromium");
const screenshots = process.env.UI_SCREENSHOTS;
const says = (page: Page, id: string, text: string | RegExp): Promise<void> => page.locator(`#${id}`, { hasText: text }).waitFor();

interface Opened {
  readonly page: Page;
  readonly api: { stop(): Promise<void>; start(): Promise<void> };
}

async function openPage(world: World, executablePath: string): Promise<Opened> {
  const dir = await mkdtemp(join(tmpdir(), "simward-ui-"));
  world.atEnd(() => rm(dir, { recursive: true }));
  let server: ApiServer | undefined;
  const api = {
    async start() {
      server = await serveApi({ dir }, world.agent, silentLog);
    },
    async stop() {
      await server?.close();
      server = undefined;
    },
  };
  await api.start();
  world.atEnd(api.stop);
  const end = new AbortController();
  const files = await readUiFiles(new URL("../../../agent/ui/page/", import.meta.url));
  const { url, closed } = await serveUi({
    ...{ api: createClient(join(dir, "viewer.sock"), 10_000, end.signal), files, port: 0 },
    ...{ clock: new SystemClock(), random: systemRandom, signal: end.signal, idleMs: 600_000 },
  });
  world.atEnd(async () => {
    end.abort();
    await closed;
  });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  world.atEnd(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  return { page, api };
}

it("shows a download as its eIM orders it, the daemon's absence, and what came in the meantime", { timeout: 120_000 }, async (context) => {
  const executablePath = need(context, chromiumProgram);
  await inWorld({}, async (world) => {
    const { page, api } = await openPage(world, executablePath);
    await says(page, "link", "live");
    await says(page, "network", "online");
    await says(page, "profiles", "enabled");
    expect(await page.locator("#profiles .item").count()).toBe(1);
    expect(await page.locator("#trail").textContent()).not.toContain("download.");

    // Nobody reloads: what follows comes by the daemon's events.
    const order = world.download(fleet);
    expect(await world.poll()).toEqual({ packages: 1, code: undefined });
    expect(order()).toMatchObject({ state: "done" });
    await says(page, "profiles", fleet.profileName);
    expect(await page.locator("#profiles .item").count()).toBe(2);
    await says(page, "trail", "download.finished");
    await says(page, "package", `From ${world.eim.eimId}`);
    for (const step of ["ESipa.GetEimPackage", "ES10b.PrepareDownload", "ES10b.LoadBoundProfilePackage", "ESipa.HandleNotification"])
      await page.locator("#package svg g", { hasText: step }).first().waitFor();
    await says(page, "package", "segments to the eUICC");
    // As the command line does: no ICCID in full.
    const iccid = (await world.status()).profiles.at(-1)?.iccid ?? "";
    expect(iccid).toMatch(/^\d{19,20}$/);
    expect(await page.content()).not.toContain(iccid);
    if (screenshots !== undefined) await page.screenshot({ path: `${screenshots}/ui-vehicle.png`, fullPage: true });

    await api.stop();
    await says(page, "waiting", "simwardd is not running");
    await says(page, "link", "not connected");
    const enabling = world.enable(fleet);
    expect(await world.poll()).toMatchObject({ code: undefined });
    expect(enabling()).toMatchObject({ state: "done" });
    expect(await page.locator("#trail").textContent()).not.toContain("profile.enabled");
    await api.start();
    await says(page, "trail", "profile.enabled");
    await page.locator("#waiting").waitFor({ state: "hidden" });
    await says(page, "link", "live");
    await page.locator("#profiles .item", { hasText: fleet.profileName }).filter({ hasText: "enabled" }).waitFor();
  });
});

it("tells what holds the fleet's data back", { timeout: 120_000 }, async (context) => {
  const executablePath = need(context, chromiumProgram);
  await inWorld({ staysBroken: true }, async (world) => {
    const { page } = await openPage(world, executablePath);
    await says(page, "vehicle", /Fleet data\s*passes/);
    await world.agent.lifecycle.setStage({ role: "admin", peer: undefined }, { stage: "suspended", reason: "the vehicle is sold" });
    await says(page, "data", "The fleet's data is held back");
    await says(page, "data", "Next: simward lifecycle status");
    expect((await world.status()).data).toMatchObject({ verdict: "refuse", rule: "lifecycle", next: "simward lifecycle status" });
  });
});
