// Every AT command the virtual module knows.
import type { Personality } from "../personality.ts";
import { basicCommands } from "./basic.ts";
import type { CommandRow } from "./command.ts";
import { identityCommands } from "./identity.ts";
import { networkCommands } from "./network.ts";
import { packetCommands } from "./packet.ts";
import { simCommands } from "./sim.ts";
import { timeCommands } from "./time.ts";
import { voiceCommands } from "./voice.ts";

export function commandTable(personality: Personality): ReadonlyMap<string, CommandRow> {
  const rows = [
    ...basicCommands,
    ...identityCommands,
    ...simCommands(personality),
    ...networkCommands,
    ...packetCommands,
    ...timeCommands,
    ...voiceCommands,
  ];
  return new Map(rows.map((row) => [row.name, row]));
}
