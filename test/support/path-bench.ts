// The shipped daemon at the end of a bad path, in real time: the virtual vehicle runs in this process, so that its gate can be watched.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildProfilePackage } from "../../hw-sim/euicc/pe/builder.ts";
import { type FaultSetting, faultSetting } from "../../hw-sim/faults.ts";
import { makeProfile } from "../../hw-sim/profiles.ts";
import { defaultScenario } from "../../hw-sim/scenarios/table.ts";
import { createVehicle, type Vehicle } from "../../hw-sim/vehicle.ts";
import { type Bundles, Daemon, type Life } from "./shipped.ts";

const [plan] = defaultScenario.offers;
if (plan === undefined) throw new Error("the default scenario offers no profile");
export const downloaded = plan;

/** As large as profiles in the field are; the demo's has 2 KB. */
const operators = Array.from({ length: 2_000 }, (_, at) => ({ plmn: String(20_000 + at), act: 0x4000 }));

/** It polls when it is told to; the log's lines are what is waited for. */
const defaultSections = '[eim]\npoll_interval_seconds = 86400\n[log]\nlevel = "debug"\n';

export interface Measured {
  /** Monotonic, ms. */
  readonly tookMs: number;
  readonly datagrams: { readonly up: number; readonly down: number };
  readonly bytes: { readonly up: number; readonly down: number };
  readonly lost: number;
  /** Undefined when it went well. */
  readonly problem: string | undefined;
  /** What was ordered for it. */
  readonly orderId?: string | undefined;
}

export class PathBench {
  readonly vehicle: Vehicle;
  readonly daemon: Daemon;
  readonly #dir: string;
  #life: Life | undefined;

  private constructor(vehicle: Vehicle, daemon: Daemon, dir: string) {
    this.vehicle = vehicle;
    this.daemon = daemon;
    this.#dir = dir;
  }

  /** Answers when the daemon has a data path; the path is bad from the first datagram on. */
  static async start(
    bundles: Bundles,
    seed: number,
    faults: Readonly<Record<string, string>>,
    sections = defaultSections,
  ): Promise<PathBench> {
    const settings: FaultSetting[] = Object.entries(faults).map(([name, value]) => faultSetting(name, value));
    const dir = await mkdtemp(join(tmpdir(), "simward-path-"));
    const vehicle = await createVehicle({ seed, faults: settings, modem: [{ kind: "pty", path: join(dir, "modem") }] });
    const daemon = await Daemon.create(bundles, dir, vehicle.ready, sections);
    const bench = new PathBench(vehicle, daemon, dir);
    await bench.startDaemon();
    return bench;
  }

  async startDaemon(): Promise<void> {
    const life = this.daemon.start();
    this.#life = life;
    const isOnline = async (): Promise<boolean> => {
      const { network, eims } = await this.daemon.status();
      return network.address !== undefined && eims.length > 0;
    };
    while (!life.over() && !(await isOnline().catch(() => false))) await life.next();
  }

  async killDaemon(): Promise<void> {
    this.#life?.child.kill("SIGKILL");
    await this.#life?.ended;
  }

  /** One poll that finds nothing. */
  poll(): Promise<Measured> {
    return this.#measure(async () => {
      const { eims } = await this.daemon.poll();
      return eims.every(({ outcome }) => outcome === "idle") ? undefined : JSON.stringify(eims);
    });
  }

  /** One download of a profile as large as they are in the field, to the octet: every segment of it is MAC'ed. */
  async download(): Promise<Measured> {
    const { smdp, eim, euicc } = this.vehicle;
    const { iccid, imsi, serviceProvider, matchingId } = downloaded;
    const { metadata } = makeProfile(downloaded);
    const key = new Uint8Array(16).fill(7);
    const upp = buildProfilePackage({ iccid, imsi, spn: serviceProvider, ki: key, opc: key, oplmnWithAct: operators });
    const token = `${matchingId}-${smdp.orders.length}`;
    smdp.addOrder({ matchingId: token, profile: upp, metadata });
    const activationCode = smdp.activationCode(token);
    const id = eim.addOrder({ eid: euicc.eid, kind: "download", activationCode });
    return this.#carryOut(id, () => (euicc.profiles().some((one) => one.iccid === iccid) ? undefined : "not installed"));
  }

  /** Takes the profile off again. */
  delete(): Promise<Measured> {
    return this.execute({ psmos: [{ delete: { iccid: downloaded.iccid } }] });
  }

  /** One eUICC package, to its end. */
  execute(order: object): Promise<Measured> {
    const { eim, euicc } = this.vehicle;
    const id = eim.addOrder({ eid: euicc.eid, kind: "euiccPackage", ...order });
    return this.#carryOut(id, () => undefined);
  }

  /** Waits for a sign of life, and polls until a poll comes to an end. */
  async settle(): Promise<void> {
    for (;;) {
      const ended = await this.daemon.poll().then(
        ({ eims }) => eims.every(({ outcome }) => outcome !== "failed"),
        () => false,
      );
      if (ended || (this.#life?.over() ?? true)) return;
      await this.#life?.next();
    }
  }

  /** Of the present process. */
  get pid(): number {
    return this.#life?.child.pid ?? 0;
  }

  async close(): Promise<void> {
    await this.killDaemon();
    await this.vehicle.close();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #carryOut(orderId: string, check: () => string | undefined): Promise<Measured> {
    const measured = await this.#measure(async () => {
      const { eims } = await this.daemon.poll();
      const order = this.vehicle.eim.order(orderId);
      if (order?.state !== "done") return `${String(order?.state)} ${String(order?.reason)} ${JSON.stringify(eims)}`;
      return check();
    });
    return { ...measured, orderId };
  }

  async #measure(job: () => Promise<string | undefined>): Promise<Measured> {
    const { counters } = this.vehicle.gate;
    const before = structuredClone(counters);
    const startMs = performance.now();
    const problem = await job().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    const tookMs = Math.round(performance.now() - startMs);
    const since = (what: "datagrams" | "bytes"): Measured["bytes"] => ({
      up: counters[what].up - before[what].up,
      down: counters[what].down - before[what].down,
    });
    const lost = counters.lost.up + counters.lost.down - before.lost.up - before.lost.down;
    return { tookMs, datagrams: since("datagrams"), bytes: since("bytes"), lost, problem };
  }
}
