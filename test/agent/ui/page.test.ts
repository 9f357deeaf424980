// The page of `simward ui` in a real browser: what it shows, what it never runs, and how it bears a daemon that comes and goes.
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, describe, expect, it, onTestFinished } from "vitest";
import { need, program } from "../../support/programs.ts";
import { record, sampleDocuments, sampleSteps, startUiStub, type UiStub } from "../../support/ui-stub.ts";

const chromiumProgram = program("chromium");
const screenshots = process.env.UI_SCREENSHOTS;
const budgetMs = 60_000;
let browser: Browser | undefined;
const stubs: UiStub[] = [];

afterEach(async () => {
  for (const stub of stubs.splice(0)) await stub.stop();
});
afterAll(() => browser?.close());

interface Opened {
  readonly page: Page;
  readonly stub: UiStub;
  /** What the console was told at level error, exceptions and breaches of the policy; the browser's own line for an answer that is no success is not one. */
  readonly complaints: readonly string[];
}

async function open(
  context: Parameters<typeof need>[0],
  change: (stub: UiStub["documents"]) => void = () => {},
  { width = 1280, dark = false }: { readonly width?: number; readonly dark?: boolean } = {},
): Promise<Opened> {
  const executablePath = need(context, chromiumProgram);
  browser ??= await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  const documents = sampleDocuments();
  change(documents);
  const stub = await startUiStub(documents);
  stubs.push(stub);
  const viewer = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: dark ? "dark" : "light" });
  onTestFinished(() => viewer.close());
  const page = await viewer.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  await page.goto(stub.url);
  return { page, stub, complaints };
}

const says = (page: Page, id: string, text: string): Promise<void> => page.locator(`#${id}`, { hasText: text }).waitFor();
const pageWidth = (page: Page): Promise<number> => page.evaluate("document.documentElement.scrollWidth");

const traffic = { rule: "usage", reason: "stage operational: 950.0 MB of 950.0 MB", carriedOut: "firewall" } as const;
const states: Readonly<Record<string, (documents: UiStub["documents"]) => void>> = {
  healthy: (documents) => {
    documents.status = { ...documents.status, alarms: [], data: { verdict: "allow" } };
  },
  "download running": (documents) => {
    const operation = { kind: "Profile Download", step: "ES10b.LoadBoundProfilePackage 12 of 40", eimId: "eim.fleet.example" };
    documents.status = { ...documents.status, operation, emergency: { sources: ["call"] } };
  },
  "no coverage": (documents) => {
    const { address: _address, rsrpDbm: _rsrp, roundTripMs: _trip, ...network } = documents.status.network;
    documents.status = { ...documents.status, network: { ...network, registration: "searching", refused: "no suitable cells" } };
  },
  "cap reached": (documents) => {
    const data = { verdict: "refuse", ...traffic, next: "simward usage show", until: "2026-07-01T00:00:00.000Z" } as const;
    documents.status = { ...documents.status, data };
    const { usage } = documents;
    if (usage === undefined) throw new Error("the sample has no usage");
    const caps = usage.caps.map((cap) => ({ ...cap, state: "block" as const, usedBytes: cap.limitBytes }));
    documents.usage = { ...usage, caps };
  },
  "daemon gone": () => {},
};

/** WCAG 2.2, 1.4.3, of every text that is seen, out of the colours that the browser has computed; what lies below the limit. */
const poorContrast = `(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const backOf = (node) => {
    for (let e = node; e; e = e.parentElement) { const { rgb, a } = parse(getComputedStyle(e).backgroundColor); if (a > 0) return rgb; }
    return [255, 255, 255];
  };
  const poor = [];
  let seen = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const e = text.parentElement;
    if (text.data.trim() === "" || ["SCRIPT", "STYLE", "title"].includes(e.tagName) || e.getClientRects().length === 0) continue;
    seen++;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e instanceof SVGElement ? style.fill : style.color).rgb), light(backOf(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(text.data.trim().slice(0, 30) + " " + ratio.toFixed(2));
  }
  return seen > 100 ? [...new Set(poor)] : ["only " + seen + " texts seen"];
})()`;

describe("the page of simward ui", () => {
  it("shows what the documents say", { timeout: budgetMs }, async (context) => {
    const { page, stub, complaints } = await open(context);
    for (const step of sampleSteps) stub.publish("step", step);
    await says(page, "link", "live");
    await says(page, "alarms", "82 of 90 days");
    await says(page, "alarms", "Next: simward roaming status");
    for (const text of ["72411", "lte", "-97 dBm RSRP", "iot.fleet.example", "10.20.30.40"]) await says(page, "network", text);
    await says(page, "profiles", "Fleet Brazil");
    for (const text of ["operational", "match", "up"]) await says(page, "vehicle", text);
    await says(page, "module", "EG91-EX");
    await says(page, "card", "8904…0123");
    await says(page, "eims", "12 min ago");
    await says(page, "eims", "in 48 min");
    await page.getByRole("img", { name: "br-90-in-365: 82 of 90 days, act · warns at 60 · acts at 80" }).waitFor();
    await page.getByRole("img", { name: "741.0 MB of 950.0 MB used, warn" }).waitFor();
    await page.getByRole("img", { name: "Data of 24 days" }).waitFor();
    expect(await page.locator("#trail li strong").allTextContents()).toEqual(
      stub.documents.audit.records.map((one) => one.event).reverse(),
    );
    expect(await page.locator("#emergency").isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  it("measures roaming days without a known limit by the day on which it warns", { timeout: budgetMs }, async (context) => {
    const { page } = await open(context, ({ roaming }) => {
      const [first] = roaming.standings;
      const { limit: _limit, daysLeft: _daysLeft, actAt: _actAt, ...open } = first ?? {};
      Object.assign(roaming, { standings: [{ ...open, rule: "elsewhere", level: "ok", used: 1, warnAt: 60 }] });
    });
    const drawn = page.getByRole("img", { name: "elsewhere: 1 day, no limit known, ok · warns at 60" });
    await drawn.waitFor();
    expect(await drawn.locator("rect.ok").getAttribute("width")).toBe(`${(1 / 60) * 100}%`);
    expect(await drawn.locator("line.mark").getAttribute("x1")).toBe("100%");
  });

  it("draws the last package from trail and steps of one trace", { timeout: budgetMs }, async (context) => {
    const { page, stub } = await open(context, ({ audit }) => {
      const other = { traceId: "package-0-1", eimId: "eim.other.example" };
      const earlier = record(35, "package.received", "eim:eim.other.example", other, "08:00:00.000");
      Object.assign(audit, { records: [earlier, ...audit.records] });
    });
    for (const step of sampleSteps) stub.publish("step", step);
    await says(page, "package", "11 steps in 14 s");
    const lines = await page.locator("#package li").allTextContents();
    expect(lines[0]).toContain("+0 ms simward to eIM: ESipa.GetEimPackage");
    expect(lines[0]).toContain("310 ms");
    expect(lines[1]).toContain("eIM to simward: package.received");
    expect(lines.some((line) => line.includes("simward to eUICC: ES10b.LoadEuiccPackage"))).toBe(true);
    expect(lines.some((line) => line.includes("simward to SM-DP+: ES9+.HandleNotification"))).toBe(true);
    expect(lines.some((line) => line.includes("network to simward: profile.online") && line.includes("11 s"))).toBe(true);
    expect(lines.join()).not.toContain("eim.other");
    expect(await page.locator("#package svg g").count()).toBe(11);
  });

  it("takes markup from outside for text", { timeout: budgetMs }, async (context) => {
    const evil = `<img src=x onerror="globalThis.ran=1"><script>globalThis.ran=1</script>`;
    const { page, stub, complaints } = await open(context, (documents) => {
      const { status, roaming, audit } = documents;
      documents.status = {
        ...status,
        profiles: [{ iccid: evil, state: "enabled", nickname: evil, serviceProvider: evil }],
        network: { ...status.network, apn: evil, refused: evil, plmn: evil },
        eims: [{ eimId: evil, host: evil, port: 1, binding: evil }],
        emergency: { sources: [evil] },
        alarms: status.alarms.map((alarm) => ({ ...alarm, message: evil, next: evil })),
      };
      documents.roaming = { ...roaming, standings: roaming.standings.map((standing) => ({ ...standing, rule: evil, words: evil })) };
      documents.audit = {
        ...audit,
        records: audit.records.map((one) => ({ ...one, cause: evil, data: { ...one.data, eimId: evil, note: evil } })),
      };
    });
    stub.publish("step", { ...sampleSteps[0], name: `ES10b.${evil}`, error: evil });
    await says(page, "package", `ES10b.${evil}`);
    for (const id of ["profiles", "network", "eims", "emergency", "alarms", "roaming", "trail", "package"]) await says(page, id, evil);
    expect(await page.locator("main img, main script").count()).toBe(0);
    expect(await page.evaluate("globalThis.ran")).toBeUndefined();
    expect(complaints).toEqual([]);
  });

  it("pages the trail back on demand, finds in it, and finds a package that lies before it", { timeout: budgetMs }, async (context) => {
    const { page, stub, complaints } = await open(context, (documents) => {
      const records = Array.from({ length: 7_000 }, (_, i) => {
        const clock = `${String(Math.floor(i / 3_600)).padStart(2, "0")}:${String(Math.floor(i / 60) % 60).padStart(2, "0")}:${String(i % 60).padStart(2, "0")}.000`;
        if (i === 41) return record(i + 1, "package.received", "eim:x", { traceId: "package-1-1", eimId: "eim.long.ago" }, clock);
        if (i === 43) return record(i + 1, "package.executed", "eim:x", { traceId: "package-1-1", outcomes: [] }, clock);
        return record(i + 1, i === 6_100 ? "profile.enabled" : "network.changed", "ipa", { number: i }, clock);
      });
      documents.audit = { ...documents.audit, records };
      documents.status = { ...documents.status, audit: { ...documents.status.audit, seq: 7_000 } };
    });
    await says(page, "count", "500 of 500 records, the newest 100 shown; older ones are in the vehicle");
    expect(await page.locator("#trail li").count()).toBe(100);
    await says(page, "package", "From eim.long.ago · trace package-1-1 · 2 steps in 2.0 s");
    const more = page.getByRole("button", { name: "Show older records" });
    await more.click();
    await says(page, "count", "1000 of 1000 records, the newest 600 shown");
    await page.getByRole("searchbox").fill("profile.enabled NUMBER");
    await says(page, "count", "1 of 1000 records");
    expect(await page.locator("#trail li").count()).toBe(1);
    for (let held = 1_500; held <= 5_000; held += 500) {
      await more.click();
      await says(page, "count", `of ${held} records`);
    }
    await says(page, "count", "1 of 5000 records; simward audit query finds older ones");
    expect(await more.isVisible()).toBe(false);
    await page.getByRole("searchbox").fill("");
    await says(page, "count", "5000 of 5000 records");
    expect(await page.locator("#trail li").first().textContent()).toContain("number 6999");
    expect(stub.auditQueries.every((query) => Number(new URLSearchParams(query).get("first") ?? 1) <= 500)).toBe(true);
    expect(complaints).toEqual([]);
  });

  it("waits for a daemon that is gone, and goes on behind the last event", { timeout: budgetMs }, async (context) => {
    const { page, stub, complaints } = await open(context);
    stub.publish("path.up", {});
    await says(page, "link", "live");
    await page.waitForResponse((response) => response.url().endsWith("/status"));
    stub.setDaemon(false);
    await says(page, "waiting", "simwardd is not running, waiting");
    expect(await page.locator("#profiles").textContent()).toContain("Fleet Brazil");
    stub.documents.status = { ...stub.documents.status, stage: "suspended" };
    stub.setDaemon(true);
    await says(page, "vehicle", "suspended");
    await page.locator("#waiting").waitFor({ state: "hidden" });
    await says(page, "link", "live");
    expect(stub.askedAfter[0]).toBe(0);
    expect(stub.askedAfter.at(-1)).toBe(100);
    expect(complaints).toEqual([]);
  });

  it("reads the status again on an event, however many come together", { timeout: budgetMs }, async (context) => {
    const { page, stub } = await open(context);
    await says(page, "link", "live");
    const before = stub.statusReads();
    stub.documents.status = { ...stub.documents.status, alarms: [], emergency: { sources: ["call"] } };
    for (let i = 0; i < 300; i++) stub.publish("segment", { number: i, of: 300 });
    await says(page, "alarms", "Nothing needs a person");
    await page.getByRole("alert").filter({ hasText: "Emergency (call)" }).waitFor();
    expect(stub.statusReads() - before).toBeLessThan(10);
  });

  it("says so where the usage is not for the viewer", { timeout: budgetMs }, async (context) => {
    const { page, complaints } = await open(context, (documents) => {
      documents.usage = undefined;
    });
    await says(page, "usage", "The data usage is not shown: API_FORBIDDEN · this socket's role may not do that: needs the role engineer");
    expect(await page.locator("#days").textContent()).toBe("");
    expect(complaints).toEqual([]);
  });

  it("lets a reload in again, no second tab, and says what to do; a new address in the same tab lets in", {
    timeout: budgetMs,
  }, async (context) => {
    const { page, stub, complaints } = await open(context);
    await says(page, "link", "live");
    expect(page.url()).toBe(new URL("/", stub.url).href);
    expect(await page.evaluate("[document.cookie, history.length, localStorage.length]")).toEqual(["", expect.any(Number), 0]);
    await page.reload();
    await says(page, "link", "live");
    const second = await page.context().newPage();
    await second.goto(stub.url);
    await says(second, "waiting", "its address is good once, and for one tab. Run simward ui again");
    expect(await second.locator("#profiles").textContent()).toBe("");
    const port = Number(new URL(stub.url).port);
    await stub.stop();
    await says(page, "waiting", "simward ui does not answer; it ends with Ctrl-C");
    stubs.push(await startUiStub(stub.documents, port));
    await says(page, "waiting", "Run simward ui again, and open the address that it prints");
    const { url } = stubs.at(-1) as UiStub;
    await page.evaluate(`location.assign(${JSON.stringify(new URL(url).hash)})`);
    await page.locator("#waiting").waitFor({ state: "hidden" });
    await says(page, "link", "live");
    expect(complaints).toEqual([]);
  });

  it("asks for the stream ever more seldom while each ends at once, up to 15 s, and sooner again once it holds", {
    timeout: budgetMs,
  }, async (context) => {
    const { page, stub } = await open(context);
    await says(page, "link", "live");
    await page.clock.install();
    await page.evaluate("Math.random = () => 0.5");
    stub.setDaemon(false);
    await says(page, "link", "not connected");
    const askedMs: number[] = [];
    let atMs = 0;
    page.on("request", (request) => request.url().includes("/events") && askedMs.push(atMs));
    for (; atMs < 90_000; atMs += 500) {
      await page.clock.runFor(500);
      await page.evaluate("fetch('/').then((answer) => answer.text())");
    }
    const gaps = askedMs.slice(1).map((ms, i) => ms - (askedMs[i] ?? 0));
    expect(gaps.length).toBeGreaterThan(5);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(16_000);
    expect(gaps.slice(-2).every((ms) => ms >= 14_000)).toBe(true);
    for (const [i, ms] of gaps.slice(1).entries()) expect(ms).toBeGreaterThanOrEqual((gaps[i] ?? 0) - 1_000);
  });

  it("is reached by Tab alone, with a focus that is seen, landmarks, and alarms that are spoken", {
    timeout: budgetMs,
  }, async (context) => {
    const { page, stub } = await open(context);
    for (const step of sampleSteps) stub.publish("step", step);
    await says(page, "package", "ES10b.LoadEuiccPackage");
    const reached: string[] = [];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      const [name, outline] = (await page.evaluate(
        "(() => { const { activeElement: e } = document; return [e.id || e.getAttribute('aria-label') || e.textContent.trim(), getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth]; })()",
      )) as [string, string];
      if (reached.includes(name)) break;
      reached.push(name);
      expect([name, outline]).toEqual([name, "solid2px"]);
      if (name === "more") break;
    }
    expect(reached).toEqual(["To the vehicle", "Day by day", "Sequence diagram, scrolls", "The same as a list", "filter", "more"]);
    await page.getByRole("banner").waitFor();
    await page.getByRole("main").waitFor();
    for (const name of [
      "Alarms",
      "Network",
      "Profiles",
      "Vehicle",
      "Card",
      "Module",
      "eIM",
      "Roaming days",
      "Data usage",
      "Last package",
      "Audit trail",
    ])
      await page.getByRole("region", { name, exact: true }).waitFor();
    expect(await page.locator("#alarms").getAttribute("aria-live")).toBe("assertive");
  });

  it("moves nothing for who does not want it", { timeout: budgetMs }, async (context) => {
    const { page } = await open(context);
    await says(page, "link", "live");
    const moving = () =>
      page.evaluate("[...document.querySelectorAll('*')].filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length");
    expect(await moving()).toBeGreaterThan(0);
    await page.emulateMedia({ reducedMotion: "reduce" });
    expect(await moving()).toBe(0);
  });

  for (const [state, change] of Object.entries(states)) {
    for (const width of [390, 1280]) {
      for (const dark of [false, true]) {
        it(`${state}: text has a contrast of 4.5 and fits, ${width} pixels, ${dark ? "dark" : "light"}`, {
          timeout: budgetMs,
        }, async (context) => {
          const { page, stub } = await open(context, change, { width, dark });
          // No colour is on its way to another.
          await page.emulateMedia({ reducedMotion: "reduce" });
          for (const step of sampleSteps) stub.publish("step", step);
          await says(page, "package", "ES10b.LoadEuiccPackage");
          await says(page, "link", "live");
          if (state === "daemon gone") {
            stub.setDaemon(false);
            await says(page, "waiting", "simwardd is not running");
          }
          expect(await pageWidth(page)).toBeLessThanOrEqual(width);
          expect(await page.evaluate(poorContrast)).toEqual([]);
          const path = `${screenshots}/ui-${state.replaceAll(" ", "-")}-${width}-${dark ? "dark" : "light"}.png`;
          if (screenshots !== undefined) await page.screenshot({ path, fullPage: true });
        });
      }
    }
  }
});
