// The unsolicited lines that the driver lives by, from text to what they say.
import { type PacketEvent, parseCgev } from "./commands/data.ts";
import { parseRegistration, type RegistrationCommand, type RegistrationLine, registrationCommands } from "./commands/network.ts";
import { simStateOf } from "./commands/sim.ts";
import { parseTimeUrc } from "./commands/time.ts";
import { callLines } from "./commands/voice.ts";
import { afterPrefix } from "./engine/reply.ts";
import type { AtPort } from "./engine/types.ts";
import type { SimState } from "./modem.ts";

export interface UrcHandlers {
  /** The module has started, without or after our doing. */
  boot(line: string): void;
  registration(command: RegistrationCommand, line: RegistrationLine): void;
  packet(event: PacketEvent): void;
  /** Universal time, or that the module's clock has been set. */
  time(utcMs: number | undefined): void;
  sim(state: SimState): void;
  /** A call has come, or has changed; which, the list of calls says. */
  call(): void;
}

export function listenToModule(port: AtPort, bootLines: readonly string[], handlers: UrcHandlers): void {
  for (const bootLine of bootLines) port.onUrc(bootLine, (line) => handlers.boot(line));
  for (const command of registrationCommands)
    port.onUrc(`${command}:`, (line) => {
      const said = parseRegistration(afterPrefix(line, `${command}:`) ?? "", false);
      if (said !== undefined) handlers.registration(command, said);
    });
  port.onUrc("+CGEV:", (line) => {
    const event = parseCgev(line);
    if (event !== undefined) handlers.packet(event);
  });
  for (const name of ["+CTZV:", "+CTZE:", "+CTZEU:"])
    port.onUrc(name, (line) => {
      const said = parseTimeUrc(line);
      if (said !== undefined) handlers.time(said.utcMs);
    });
  for (const beginning of callLines) port.onUrc(beginning, () => handlers.call());
  port.onUrc("+CPIN:", (line) => handlers.sim(simStateOf(afterPrefix(line, "+CPIN:") ?? "")));
}
