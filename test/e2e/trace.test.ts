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

      const secret = fleet.matchingId;
      const secretHex = Buffer.from(secret).toString("hex").toUpperCase();
      const told = JSON.stringify(all);
      expect(told).not.toContain(secret);
      expect(told).not.toContain(secretHex);
      expect(all.some(({ cutBytes = 0 }) => cutBytes >= secret.length)).toBe(true);
    },
  });
});
