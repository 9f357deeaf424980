// The module's interface as a real one, in network namespaces: what passes, what is counted, what is gone without a session. Needs root and iproute2.
import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { parseDataLink } from "../../../hw-sim/network/data-link.ts";
import { createVehicle, type Vehicle } from "../../../hw-sim/vehicle.ts";

const timings = { bootMs: 0, simBusy: [], lateIccidMs: 0, fetchMs: 1, searchMs: 1, radioMs: 1, attachAgainMs: 1 };
const run = promisify(execFile);
const canRun = process.getuid?.() === 0 && has("ip") && has("curl");

function has(program: string): boolean {
  try {
    execFileSync("which", [program], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function whenUp(vehicle: Vehicle, up: boolean): Promise<void> {
  if (vehicle.modem.bearer.up === up) return;
  await new Promise<void>((resolve) => {
    const stop = vehicle.modem.bearer.onChange((now) => {
      if (now !== up) return;
      stop();
      resolve();
    });
  });
}

it.skipIf(!canRun)(
  "packets of the vehicle's namespace reach the servers while there is a session, and the kernel counts them",
  async () => {
    const namespace = `simward-link-${process.pid}`;
    execFileSync("ip", ["netns", "add", namespace]);
    const ip = (...args: readonly string[]): string => execFileSync("ip", ["-n", namespace, ...args], { encoding: "utf8" });
    const dataLink = { interface: `w${process.pid}`, namespace };
    try {
      const vehicle = await createVehicle({ seed: 1, timings, dataLink, eimFqdn: "198.18.0.1" });
      try {
        await whenUp(vehicle, true);
        const [address = ""] = vehicle.modem.packet.addresses;
        ip("address", "add", `${address}/32`, "dev", dataLink.interface);
        ip("link", "set", dataLink.interface, "up");
        ip("route", "add", "default", "dev", dataLink.interface);
        const status = async (): Promise<string> => {
          const curl = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2", vehicle.ready.eim.https];
          return (await run("ip", ["netns", "exec", namespace, ...curl]).catch((error: { stdout: string }) => error)).stdout;
        };
        const sent = (): number => JSON.parse(ip("-s", "-j", "link", "show", dataLink.interface))[0].stats64.tx.bytes;
        const before = sent();
        expect(await status()).toBe("404");
        expect(sent() - before).toBeGreaterThan(500);
        vehicle.world.setCoverage({}, false);
        await whenUp(vehicle, false);
        expect(ip("link", "show", dataLink.interface)).toContain("NO-CARRIER");
        expect(await status()).toBe("000");
      } finally {
        await vehicle.close();
      }
      expect(ip("link", "show")).not.toContain(dataLink.interface);
    } finally {
      execFileSync("ip", ["netns", "delete", namespace]);
    }
  },
);

it("says what is wrong with the option, and what it is written like", () => {
  expect(parseDataLink("wwan0@vehicle")).toEqual({ interface: "wwan0", namespace: "vehicle" });
  for (const text of ["", "wwan0", "@vehicle", "interfacetoolong@v", "w;rm@v", "wwan0@a/b"])
    expect(() => parseDataLink(text)).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
});
