// The module's clock and the network's time (3GPP TS 27.007 §8.15, §8.40, §8.41).

import { formatCclk, parseCclk } from "../clock-chip.ts";
import { cme } from "../cme.ts";
import { type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";

const setting = (name: string, key: "ctzu" | "ctzr", max: number): CommandRow => ({
  name,
  maxArgs: 1,
  test: says(`${name}: (0-${max})`),
  read: ({ modem }) => line(`${name}: ${modem.settings[key]}`),
  set: (call: Call) => {
    call.modem.settings[key] = int(call, 0, 0, max, 0);
    return ok;
  },
});

export const timeCommands: readonly CommandRow[] = [
  {
    name: "+CCLK",
    maxArgs: 1,
    read: ({ modem }) => line(`+CCLK: "${formatCclk(modem.chip.read())}"`),
    set: (call) => {
      call.modem.chip.set(parseCclk(text(call, 0)) ?? refuse(cme.incorrectParameters));
      return ok;
    },
  },
  setting("+CTZU", "ctzu", 1),
  setting("+CTZR", "ctzr", 2),
];
