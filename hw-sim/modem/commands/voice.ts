// Voice calls: V.250 §6.3 (D with ";", A, H), 3GPP TS 27.007 §6.5 (+CHUP), §7.18 (+CLCC).
import type { CommandRow } from "./command.ts";
import { int, line, ok } from "./command.ts";

const noCarrier = { lines: [], final: "NO CARRIER" } as const;

export const voiceCommands: readonly CommandRow[] = [
  {
    name: "D",
    execute: ({ modem, args: [dialled = ""] }) => {
      // Without a semicolon it is a data call, and none is to be had on a control port.
      const number = /^([0-9*#+]+);$/.exec(dialled)?.[1];
      if (number === undefined) return noCarrier;
      if (modem.registration.state.cell === undefined) return noCarrier;
      return modem.voice.dial(number) ? ok : { lines: [], final: "BUSY" };
    },
  },
  { name: "A", execute: ({ modem }) => (modem.voice.answer() ? ok : noCarrier) },
  {
    name: "H",
    execute: (call) => {
      int(call, 0, 0, 0, 0);
      call.modem.voice.hangUp();
      return ok;
    },
  },
  {
    name: "+CHUP",
    execute: ({ modem }) => {
      modem.voice.hangUp();
      return ok;
    },
  },
  {
    name: "+CLCC",
    execute: ({ modem }) => {
      const found = modem.voice.line;
      return found === undefined ? ok : line(found);
    },
  },
];
