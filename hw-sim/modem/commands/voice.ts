// Calls: voice (V.250 §6.3: D with ";", A, H) and data (D*99#, O), 3GPP TS 27.007 §6.5 (+CHUP), §7.18 (+CLCC).
import type { VirtualModem } from "../module.ts";
import type { Answer, CommandRow } from "./command.ts";
import { int, line, ok } from "./command.ts";

const noCarrier = { lines: [], final: "NO CARRIER" } as const;

const connected = (cid: number): Answer => ({ lines: [], final: "CONNECT", online: cid });

/** 3GPP TS 27.007 §10.2.1.1: the context's data on this port. Nobody speaks PPP at its other end. */
function dialData(modem: VirtualModem, cid: number): Answer {
  // While somebody speaks there is no data.
  if (!modem.packet.attached || modem.voice.line !== undefined || modem.packet.context(cid) === undefined) return noCarrier;
  return modem.packet.activate(cid) === undefined ? connected(cid) : noCarrier;
}

export const voiceCommands: readonly CommandRow[] = [
  {
    name: "D",
    execute: ({ modem, args: [dialled = ""] }) => {
      const data = /^\*99(?:\*\*\*(\d{1,2}))?#$/.exec(dialled);
      if (data !== null) return dialData(modem, data[1] === undefined ? modem.personality.contexts.defaultCid : Number(data[1]));
      const number = /^([0-9*#+]+);$/.exec(dialled)?.[1];
      if (number === undefined) return noCarrier;
      if (modem.registration.state.cell === undefined) return noCarrier;
      return modem.voice.dial(number) ? ok : { lines: [], final: "BUSY" };
    },
  },
  {
    name: "O",
    execute: ({ modem, port }) =>
      port.dataCid !== undefined && modem.packet.active(port.dataCid) !== undefined ? connected(port.dataCid) : noCarrier,
  },
  { name: "A", execute: ({ modem }) => (modem.voice.answer() ? ok : noCarrier) },
  {
    name: "H",
    execute: (call) => {
      int(call, 0, 0, 1, 0);
      call.modem.voice.hangUp();
      call.port.dataCid = undefined;
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
