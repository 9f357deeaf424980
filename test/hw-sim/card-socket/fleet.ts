// The real agent on a virtual vehicle whose card, identity or certificates come from outside: the demo's main job with it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";
import { createAgent } from "../../../agent/main.ts";
import { peersOf } from "../../../agent/peers.ts";
import { openNatMemory } from "../../../agent/state/nat-memory.ts";
import { openTlsSessions } from "../../../agent/state/tls-sessions.ts";
import { createTransports } from "../../../agent/transports.ts";
import { openModem } from "../../../at-drivers/driver.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { subDisk } from "../../../base/disk.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { createVehicle, type Vehicle, type VehicleOptions } from "../../../hw-sim/vehicle.ts";

/** Runs twenty times as fast as the machine's, one tick a turn of the event loop. */
export function timeLapse(): { readonly clock: VirtualClock; readonly stop: () => void } {
  const clock = new VirtualClock();
  return { clock, stop: new SystemClock().every(1, () => void clock.advance(20)) };
}

export async function inDirectory<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "simward-card-"));
  try {
    return await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const config = `
[[apn]]
name = "bootstrap.iot"
[[apn]]
name = "fleet.rheinfunk"
iccid_prefix = "894929"
`;

export interface Fleet {
  readonly vehicle: Vehicle;
  readonly eid: string;
  /** Gives the eIM's order to the vehicle; the order when it has been carried out. */
  carriedOut(order: object): Promise<Readonly<Record<string, unknown>>>;
  /** ICCID that the module answers for. */
  iccid(): Promise<string | undefined>;
}

/** `first` happens when the vehicle is there and the agent not yet. */
export async function withAgent(
  clock: VirtualClock,
  options: VehicleOptions,
  use: (fleet: Fleet) => Promise<void>,
  first: (vehicle: Vehicle) => Promise<void> = async () => {},
): Promise<void> {
  const stops: (() => Promise<unknown> | unknown)[] = [];
  try {
    const vehicle = await createVehicle({ ...options, clock, modem: [{ kind: "tcp", port: 0 }] });
    stops.push(() => vehicle.close());
    await first(vehicle);
    const address = `tcp:${vehicle.ready.modem.tcp}`;
    const parsed = parseConfig(`[modem]\naddress = "${address}"\n${config}`);
    const random = seededRandom(1);
    const modem = openModem({ address, clock, log: silentLog, random });
    stops.push(() => modem.close());
    const disk = faultDisk(random);
    const sessions = await openTlsSessions(subDisk(disk, "tls"), silentLog);
    const transports = createTransports({ config: parsed, clock, random, sessions, natMemory: await openNatMemory(disk, silentLog) });
    stops.push(() => transports.close());
    const agent = await createAgent({
      config: parsed,
      clock,
      // Its own polls come late: the test asks for its own.
      random: { ...random, unit: () => 0.95 },
      log: silentLog,
      disk,
      modem,
      transports: transports.all,
      peers: await peersOf(parsed.eim.peer),
      credential: async () => "",
    });
    stops.push(() => agent.stop());
    await agent.start();
    const online = async (): Promise<string> => {
      for (;;) {
        const { network, eims, card } = await agent.status();
        if (network.address !== undefined && eims.length > 0 && card?.eid !== undefined) return card.eid;
        await clock.sleep(200);
      }
    };
    const eid = await online();
    await use({
      vehicle,
      eid,
      iccid: () => modem.iccid(),
      carriedOut: async (order) => {
        const id = vehicle.eim.addOrder({ eid, ...order });
        await online();
        await agent.pollEim(undefined);
        return vehicle.eim.order(id) as unknown as Readonly<Record<string, unknown>>;
      },
    });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

export const rheinfunk = "8949299000000000026";

/** Download by activation code, then enable: carried out, reported, verified, and the module is the new profile's. */
export async function mainJob({ vehicle, carriedOut, iccid }: Fleet, token = "RHEINFUNK-1", profile = rheinfunk): Promise<void> {
  const downloaded = await carriedOut({ kind: "download", activationCode: vehicle.activationCode(token) });
  expect(downloaded).toMatchObject({ state: "done", results: [{ kind: "profileInstallationResult", verified: true }] });
  const enabled = await carriedOut({ kind: "euiccPackage", psmos: [{ enable: { iccid: profile, rollback: true } }] });
  expect(enabled).toMatchObject({ state: "done", results: [{ kind: "euiccPackageResult", verified: true }] });
  expect(await iccid()).toBe(profile);
}
