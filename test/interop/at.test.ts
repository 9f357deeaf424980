// An assistant in Python that shares no line with simward, over the virtual module's AT port: both ways to the card, a download included.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { SystemClock } from "../../base/clock.ts";
import { openPki } from "../../hw-sim/pki/pki.ts";
import { createVehicle, type Vehicle } from "../../hw-sim/vehicle.ts";
import { need, program, run } from "../support/programs.ts";

const python = program("python3");
const bootstrap = "8988298000000000017";
const rheinfunk = "8949299000000000026";
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function commissioned(): Promise<{ readonly vehicle: Vehicle; readonly ca: string }> {
  const dir = mkdtempSync(join(tmpdir(), "simward-at-"));
  stops.push(() => rmSync(dir, { recursive: true, force: true }));
  await openPki(join(dir, "pki"), { clock: new SystemClock() });
  const vehicle = await createVehicle({
    cardRole: "sgp22",
    pkiDir: join(dir, "pki"),
    modem: [
      { kind: "tcp", port: 0 },
      { kind: "pty", path: join(dir, "modem") },
    ],
    timings: { bootMs: 20, simBusy: [{ ms: 50, cme: 14 }], fetchMs: 20, apduMs: 0 },
  });
  stops.push(() => vehicle.close());
  return { vehicle, ca: join(dir, "pki", "ci.cert.pem") };
}

describe("a local profile assistant on the AT port of a module with a consumer eUICC", () => {
  test.for([
    ["cgla", "tcp", 120],
    ["csim", "pty", 200],
  ] as const)("over %s on its %s port, %i octets a block", async ([way, port, block], context) => {
    const interpreter = need(context, python);
    const { vehicle, ca } = await commissioned();
    const at = vehicle.ready.modem[port] ?? "";
    const lpa = async (...args: string[]): Promise<unknown> => {
      const child = run(interpreter, ["test/interop/lpa.py", "--at", at, "--way", way, "--block", String(block), "--ca", ca, ...args]);
      await child.ended;
      try {
        return JSON.parse(child.output());
      } catch {
        throw new Error(`lpa.py ${args.join(" ")}: ${child.output()}`);
      }
    };
    expect(await lpa("eid")).toBe(vehicle.ready.eid);
    expect(await lpa("download", vehicle.activationCode("RHEINFUNK-1"))).toEqual({ ok: true, refresh: false, iccid: rheinfunk });
    expect(await lpa("enable", rheinfunk)).toEqual({ ok: true, refresh: true });
    expect(await lpa("profiles")).toMatchObject([
      { iccid: bootstrap, state: "disabled" },
      { iccid: rheinfunk, state: "enabled" },
    ]);
    expect(await lpa("delete", rheinfunk)).toEqual({ error: "result 2" });
    expect(await lpa("enable", bootstrap)).toEqual({ ok: true, refresh: true });
    expect(await lpa("delete", rheinfunk)).toEqual({ ok: true, refresh: false });
    expect(await lpa("notifications")).toMatchObject([{ event: "enable" }, { event: "disable" }, { event: "delete" }]);
  });
});
