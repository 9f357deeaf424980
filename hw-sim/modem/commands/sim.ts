// The SIM through the module: state, identities, files, and APDUs on the basic and on logical channels (3GPP TS 27.007 §8).
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { type Eventual, whenDone } from "../../card-socket/procedure.ts";
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import type { Personality } from "../personality.ts";
import { type Call, type CommandRow, type Handler, int, line, ok, refuse, says, text } from "./command.ts";

/** <length> counts hexadecimal characters and must be that of <command>. */
function apdu(call: Call, lengthAt: number): Uint8Array {
  const hex = text(call, lengthAt + 1);
  if (int(call, lengthAt, 8, 100_000) !== hex.length || !/^([0-9A-Fa-f]{2})+$/.test(hex)) return refuse(cme.incorrectParameters);
  return fromHex(hex);
}

function shown(prefix: string, response: Uint8Array): string {
  return `${prefix}: ${response.length * 2},"${toHexUpper(response)}"`;
}

/** Instructions of +CRSM, in decimal there (3GPP TS 27.007 §8.18), as the card knows them. */
const fileCommands: Readonly<Record<number, "read" | "write" | "control">> = {
  176: "read",
  178: "read",
  192: "control",
  214: "write",
  220: "write",
  242: "control",
};

const statusInstruction = 242;
const usimPath = "7FFF";

/** Files directly under the MF carry an identifier 2Fxx; the others are looked for in the USIM. */
function filePath(fileId: number, pathHex: string): string {
  const id = fileId.toString(16).toUpperCase().padStart(4, "0");
  const path = pathHex.toUpperCase();
  if (path === "") return id.startsWith("2F") ? id : `${usimPath}${id}`;
  return `${path.replace(/^3F00/, "")}${id}`;
}

function restricted(call: Call): Eventual<string> {
  const instruction = int(call, 0, 0, 255);
  const kind = fileCommands[instruction] ?? refuse(cme.incorrectParameters);
  const [p1, p2, p3] = [int(call, 2, 0, 255, 0), int(call, 3, 0, 255, 0), int(call, 4, 0, 255, 0)];
  const data = text(call, 5, "");
  const path = text(call, 6, "");
  if (!/^([0-9A-Fa-f]{4})*$/.test(path) || !/^([0-9A-Fa-f]{2})*$/.test(data)) return refuse(cme.incorrectParameters);
  if (kind === "write" && data.length !== 2 * p3) return refuse(cme.incorrectParameters);
  const command = Uint8Array.of(instruction, p1, p2, p3, ...(kind === "write" ? fromHex(data) : []));
  // STATUS alone needs no file: it is of the directory that the module works in.
  const place = instruction === statusInstruction && call.args[1] === undefined ? usimPath : filePath(int(call, 1, 0, 0xffff), path);
  return whenDone(call.modem.sim.onFile(place, command), ({ control, response }) =>
    crsmAnswer(kind === "control" && control.length > 2 ? control : response),
  );
}

/** Status word in decimal, then what there is of data. */
function crsmAnswer(response: Uint8Array): string {
  const data = response.subarray(0, -2);
  const status = `${response.at(-2)},${response.at(-1)}`;
  return `+CRSM: ${status}${data.length > 0 ? `,"${toHexUpper(data)}"` : ""}`;
}

const aidPattern = /^([0-9A-Fa-f]{2}){5,16}$/;

/** What an APDU takes on top of the card's own time: installing a profile keeps a slow one busy for minutes. */
function taking<T>({ modem }: Call, result: Eventual<T>): Eventual<T> {
  const { apduMs } = modem.personality.timings;
  return apduMs === 0 ? result : modem.clock.sleep(apduMs).then(() => result);
}

/** What the card asks for, where it is locked on purpose. */
function lockOf({ faults }: VirtualModem): "pin" | "puk" | undefined {
  const trouble = faults.get("sim");
  return trouble === "pin" || trouble === "puk" ? trouble : undefined;
}

const testForm: Handler = ({ modem }) => {
  const { apduTest } = modem.personality;
  if (apduTest === "silent") return { lines: [], silent: true };
  return apduTest === "error" ? { lines: [], final: "ERROR" } : ok;
};

export function simCommands(personality: Personality): readonly CommandRow[] {
  return [
    {
      name: "+CPIN",
      maxArgs: 2,
      read: ({ modem }) => {
        const lock = lockOf(modem);
        if (lock !== undefined) return line(`+CPIN: SIM ${lock.toUpperCase()}`);
        modem.sim.needProfile();
        return line("+CPIN: READY");
      },
      // The virtual profiles ask for no PIN; a card that is locked on purpose knows none that would do.
      set: ({ modem }) => {
        modem.sim.needCard();
        if (lockOf(modem) !== undefined) return refuse(cme.incorrectPassword);
        modem.sim.needProfile();
        return refuse(cme.notAllowed);
      },
    },
    { name: "+CIMI", execute: ({ modem }) => line(modem.sim.needProfile().imsi) },
    ...Object.entries(personality.iccidCommands).map(([name, template]): CommandRow => {
      const iccid = ({ modem }: Call): ReturnType<typeof line> => {
        modem.sim.needProfile();
        const digits = modem.sim.iccid ?? refuse(cme.simFailure);
        return line(template.replace("{iccid}", digits).replace("{padded}", digits.padEnd(20, "F")));
      };
      return { name, execute: iccid, read: iccid };
    }),
    {
      name: "+CSIM",
      maxArgs: 2,
      test: testForm,
      set: (call) => {
        // AT+CSIM=1 and =0 lock and unlock the card for the host, where a make has that.
        if (call.args.length === 1 && /^[01]$/.test(call.args[0] ?? "")) return ok;
        return whenDone(taking(call, call.modem.sim.raw(apdu(call, 0))), (response) => line(shown("+CSIM", response)));
      },
    },
    { name: "+CRSM", maxArgs: 7, set: (call) => whenDone(restricted(call), line) },
    {
      name: "+CCHO",
      maxArgs: 1,
      test: testForm,
      set: (call) => {
        const aid = text(call, 0);
        if (!aidPattern.test(aid)) return refuse(cme.incorrectParameters);
        return whenDone(call.modem.sim.open(fromHex(aid)), (session) => line(personality.ccho === "bare" ? session : `+CCHO: ${session}`));
      },
    },
    {
      name: "+CGLA",
      maxArgs: 3,
      test: testForm,
      set: (call) =>
        whenDone(taking(call, call.modem.sim.transmit(text(call, 0), apdu(call, 1))), (response) => line(shown("+CGLA", response))),
    },
    {
      name: "+CCHC",
      maxArgs: 1,
      test: testForm,
      set: (call) => {
        const session = text(call, 0);
        call.modem.sim.needCard();
        if (personality.cchcUnknown === "ok" && !call.modem.sim.isOpen(session)) return ok;
        return whenDone(call.modem.sim.close(session), () => (personality.cchcLine ? line("+CCHC") : ok));
      },
    },
    {
      name: "+CLCK",
      maxArgs: 4,
      test: says('+CLCK: ("SC")'),
      set: (call) => {
        call.modem.sim.needCard();
        if (text(call, 0) !== "SC" || int(call, 1, 0, 2) !== 2) return refuse(cme.notAllowed);
        return line(`+CLCK: ${lockOf(call.modem) === undefined ? 0 : 1}`);
      },
    },
  ];
}
