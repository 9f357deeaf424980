// Every AT command the virtual module knows.
import type { Personality } from "../personality.ts";
import { basicCommands } from "./basic.ts";
import type { CommandRow } from "./command.ts";
import { identityCommands, ownIdentity } from "./identity.ts";
import { networkCommands } from "./network.ts";
import { packetCommands } from "./packet.ts";
import { simCommands } from "./sim.ts";
import { timeCommands } from "./time.ts";
import { voiceCommands } from "./voice.ts";

/** What a make says for itself replaces what all say. */
export function commandTable(personality: Personality): ReadonlyMap<string, CommandRow> {
  const common = [
    ...basicCommands,
    ...identityCommands,
    ...simCommands(personality),
    ...networkCommands,
    ...packetCommands,
    ...timeCommands,
    ...voiceCommands,
    ...ownIdentity(personality),
  ].filter(({ name }) => !personality.without.includes(name));
  return new Map([...common, ...personality.commands].map((row) => [row.name, row]));
}
