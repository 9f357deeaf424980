// Traces through the whole vehicle: one id from the eIM's order down to the AT line; no secret in anything that is kept or given out.
import { describe, expect } from "vitest";
import type { TraceLine } from "../../agent/api/trace-types.ts";
import { fleet, scenario, type World } from "../support/e2e.ts";

const admin = { role: "admin", peer: undefined } as const;
const whole = { decode: true, showIds: true, octets: true } as const;

async function linesOf({ agent }: World, reading: object = {}): Promise<TraceLine[]> {
  const lines: TraceLine[] = [];
  for await (const line of agent.trace.stored(admin, { ...whole, ...reading })) lines.push(JSON.parse(line) as TraceLine);
  return lines;
}

const has = (lines: readonly TraceLine[], layer: string, direction: string, fits: (line: TraceLine) => boolean): boolean =>
  lines.some((line) => line.layer === layer && line.direction === direction && fits(line));

/** As it is, in hex, and inside base64. */
function expectNoSecret(lines: readonly TraceLine[], secret: string): void {
  const told = JSON.stringify(lines);
  expect(told).not.toContain(secret);
  expect(told).not.toContain(Buffer.from(secret).toString("hex").toUpperCase());
  for (const phase of [0, 1, 2]) {
    const base64 = Buffer.concat([Buffer.alloc(phase), Buffer.from(secret)]).toString("base64");
    expect(told).not.toContain(base64.slice(phase === 0 ? 0 : phase + 1, Math.floor(((phase + secret.length) * 4) / 3) - 1));
  }
}

describe("a profile download through the eIM, CoAP over DTLS", () => {
  scenario("has one trace id at every interface, in events, in the audit trail and in errors", {
    binding: "coaps",
    config: "[trace]\nmemory_bytes = 8388608\n",
    async run(world) {
      const { download, poll, audit, events } = world;
      const order = download(fleet);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done" });
      const { traceId } = await audit.data("download.started");
      expect(traceId).toMatch(/^package-[0-9a-f]{4}-\d+$/);
      expect((await audit.data("download.finished")).traceId).toBe(traceId);
      expect(events().find(({ kind, name }) => kind === "step" && name === "ES10b.PrepareDownload")?.traceId).toBe(traceId);

      const lines = await linesOf(world, { id: traceId });
      expect(new Set(lines.map((line) => line.layer))).toEqual(new Set(["at", "apdu", "es10", "esipa", "coap", "dtls"]));
      for (const direction of ["tx", "rx"] as const) {
        expect(
          has(lines, "esipa", direction, ({ name }) => name === "ESipa.GetBoundProfilePackage"),
          `esipa ${direction}`,
        ).toBe(true);
        expect(
          has(lines, "es10", direction, ({ name }) => name === "ES10b.LoadBoundProfilePackage"),
          `es10 ${direction}`,
        ).toBe(true);
        expect(
          has(lines, "dtls", direction, ({ text }) => /(application_data|tls12_cid) epoch 1/.test(text)),
          `dtls ${direction}`,
        ).toBe(true);
      }
      // The order itself, as it came: before anything was known of it.
      expect(lines[0]).toMatchObject({ layer: "esipa", direction: "tx", name: "ESipa.GetEimPackage" });
      expect(has(lines, "coap", "tx", ({ text }) => /CON POST \/gsma\/rsp2\/asn1 .*block1 0\/1/.test(text))).toBe(true);
      expect(has(lines, "coap", "rx", ({ text }) => /block2 1\//.test(text))).toBe(true);
      const prepare = lines.find(
        ({ layer, name, direction }) => layer === "es10" && direction === "tx" && name === "ES10b.PrepareDownload",
      );
      expect(prepare?.tree?.[0]).toMatchObject({ name: "PrepareDownloadRequest", tag: "BF21", offset: 0 });
      // The same octets in the APDUs and, in hex, in the AT lines.
      const apdus = lines.filter(({ layer, direction }) => layer === "apdu" && direction === "tx");
      const block = apdus.find(({ octets }) => octets?.startsWith("80E2") && prepare?.octets?.startsWith(octets.slice(10)));
      expect(block?.text).toMatch(/^STORE DATA P1=/);
      expect(has(lines, "at", "tx", ({ text }) => block?.octets !== undefined && text.includes(block.octets.slice(8)))).toBe(true);
      // One order, one clock.
      expect(lines.map(({ seq }) => seq)).toEqual(lines.map(({ seq }) => seq).toSorted((a, b) => a - b));
      expect(lines.every(({ monotonicMs }, at) => monotonicMs >= (lines[at - 1]?.monotonicMs ?? 0))).toBe(true);
      // What the module says of its own accord belongs to nobody.
      const all = await linesOf(world);
      expect(all.filter(({ note }) => note === "URC").every((line) => line.traceId === undefined)).toBe(true);
      // The second package is another trace.
      expect(new Set(all.map((line) => line.traceId)).size).toBeGreaterThan(2);

      expectNoSecret(all, fleet.matchingId);
      expect(all.some(({ cutBytes = 0 }) => cutBytes >= fleet.matchingId.length)).toBe(true);
    },
  });
});

describe("no matching id is in a trace, whatever carries it", () => {
  const ways = [
    { title: "through the eIM over HTTPS", binding: "https", direct: false, layers: ["esipa", "https"] },
    { title: "through the eIM in JSON", binding: "https-json", direct: false, layers: ["esipa", "https"] },
    { title: "from the SM-DP+ itself, ordered over CoAP", binding: "coaps", direct: true, layers: ["es9", "https", "coap"] },
    { title: "from the SM-DP+ itself, ordered in JSON", binding: "https-json", direct: true, layers: ["es9", "https"] },
  ] as const;
  for (const { title, binding, direct, layers } of ways)
    scenario(title, {
      ...{ binding, direct },
      config: "[trace]\nmemory_bytes = 8388608\n",
      async run(world) {
        const order = world.download(fleet);
        expect(await world.poll()).toEqual({ packages: 1, code: undefined });
        expect(order()).toMatchObject({ state: "done" });
        const { traceId } = await world.audit.data("download.finished");
        const lines = await linesOf(world, { id: traceId });
        for (const layer of layers) expect(has(lines, layer, "tx", () => true) && has(lines, layer, "rx", () => true), layer).toBe(true);
        expectNoSecret(await linesOf(world), fleet.matchingId);
      },
    });
});

describe("an operation that fails", () => {
  scenario("leaves its trace on flash, and the error that the eIM and the audit trail tell of names it", {
    binding: "coaps",
    async run(world) {
      const { order, poll, audit, disk, vehicle } = world;
      order({ kind: "download", activationCode: vehicle.activationCode("NO-SUCH-PROFILE") });
      await poll();
      const { traceId } = await audit.data("download.failed");
      expect(traceId).toMatch(/^package-/);
      await linesOf(world, { id: traceId });
      const names = await disk.list("trace");
      const kept = Buffer.from((await disk.read(`trace/${names[0]}`)) ?? []).toString("latin1");
      expect(kept).toContain(`"traceId":"${traceId}"`);
      expect(kept).toContain("ESipa.AuthenticateClient");
      expect(kept).not.toContain("NO-SUCH-PROFILE");
    },
  });
});
