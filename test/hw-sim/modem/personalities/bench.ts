// A module of one make on the bench, ready for dialogues: virtual time, stub card, the world's Germany with a roaming subscription.
import { VirtualClock } from "../../../../base/clock.ts";
import { Faults } from "../../../../hw-sim/faults.ts";
import { VirtualModem, type VirtualModemOptions } from "../../../../hw-sim/modem/module.ts";
import { withQuirks } from "../../../../hw-sim/modem/personalities/quirks.ts";
import { personalities } from "../../../../hw-sim/modem/personalities/table.ts";
import type { Personality } from "../../../../hw-sim/modem/personality.ts";
import { World, type WorldOptions } from "../../../../hw-sim/network/world.ts";
import { Host } from "../bench.ts";
import { StubCard } from "../stub-card.ts";

export interface Make {
  readonly clock: VirtualClock;
  readonly world: World;
  readonly faults: Faults;
  readonly card: StubCard;
  readonly modem: VirtualModem;
  readonly host: Host;
  readonly personality: Personality;
}

export interface MakeOptions extends Partial<VirtualModemOptions> {
  readonly quirks?: readonly string[];
  readonly data?: WorldOptions["data"];
}

export function known(id: string): Personality {
  const personality = personalities[id];
  if (personality === undefined) throw new Error(`no personality ${id}`);
  return personality;
}

/** Booted; nothing has been asked of it. */
export async function booted(id: string, { quirks = [], data, ...options }: MakeOptions = {}): Promise<Make> {
  const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1, 12) });
  const world = new World({ clock, ...(data === undefined ? {} : { data }) });
  const faults = new Faults();
  const card = new StubCard();
  const personality = withQuirks(known(id), quirks);
  const modem = new VirtualModem({ clock, world, faults, uicc: card, imei: "356938035643809", personality, ...options });
  const host = new Host(modem, clock);
  modem.powerOn();
  await host.until(() => modem.running);
  await clock.advance(0);
  return { clock, world, faults, card, modem, host, personality };
}

/** Echo off, numeric errors, on the air. */
export async function online(id: string, options: MakeOptions = {}): Promise<Make> {
  const make = await booted(id, options);
  await make.host.command("ATE0");
  await make.host.command("AT+CMEE=1");
  if (make.modem.functionLevel !== 1) await make.host.command("AT+CFUN=1");
  await make.host.until(() => make.modem.registration.state.cell !== undefined);
  await make.host.until(() => make.modem.sim.iccid !== undefined);
  return make;
}
