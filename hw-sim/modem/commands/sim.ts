// The SIM through the module: state, identities, files, and APDUs on the basic and on logical channels (3GPP TS 27.007 §8).
import { concatBytes, fromHex, toHexUpper, uintToBytes } from "../../../base/bytes.ts";
import { cme } from "../cme.ts";
import type { Personality } from "../personality.ts";
import { type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";

/** <length> counts hexadecimal characters and must be that of <command>. */
function apdu(call: Call, lengthAt: number): Uint8Array {
  const hex = text(call, lengthAt + 1);
  if (int(call, lengthAt, 8, 100_000) !== hex.length || !/^([0-9A-Fa-f]{2})+$/.test(hex)) return refuse(cme.incorrectParameters);
  return fromHex(hex);
}

function shown(prefix: string, response: Uint8Array): string {
  return `${prefix}: ${response.length * 2},"${toHexUpper(response)}"`;
}

/** Instructions of +CRSM (3GPP TS 27.007 §8.18). */
const crsm = { readBinary: 176, readRecord: 178, getResponse: 192, status: 242 } as const;

/** Status words in decimal, as +CRSM has them. */
const crsmStatus = {
  ok: "144,0",
  fileNotFound: "106,130",
  recordNotFound: "106,131",
  wrongOffset: "107,0",
  notSupported: "109,0",
} as const;

/** Files directly under the MF carry an identifier 2Fxx; the others are looked for in the active application. */
function filePath(fileId: number, pathHex: string): string {
  const id = fileId.toString(16).toUpperCase().padStart(4, "0");
  const path = pathHex.toUpperCase().replace(/^3F00/, "");
  if (path === "" && !pathHex.toUpperCase().startsWith("3F00")) return id.startsWith("2F") ? id : `7FFF/${id}`;
  return [...(path.match(/.{4}/g) ?? []), id].join("/");
}

/** FCP template with size and identifier (ETSI TS 102 221 §11.1.1.3). */
function fileControl(fileId: number, length: number): Uint8Array {
  return concatBytes(fromHex("62088002"), uintToBytes(length, 2), fromHex("8302"), uintToBytes(fileId, 2));
}

function readFile(call: Call): string {
  const command = int(call, 0, 0, 255);
  const [p1, p2, p3] = [int(call, 2, 0, 255, 0), int(call, 3, 0, 255, 0), int(call, 4, 0, 255, 0)];
  if (command === crsm.status) return crsmStatus.ok;
  const fileId = int(call, 1, 0, 0xffff);
  const file = call.modem.sim.file(filePath(fileId, text(call, 6, "")));
  if (file === undefined) return crsmStatus.fileNotFound;
  switch (command) {
    case crsm.readBinary: {
      const offset = p1 * 256 + p2;
      if (offset > file.length) return crsmStatus.wrongOffset;
      return `${crsmStatus.ok},"${toHexUpper(file.subarray(offset, offset + (p3 || 256)))}"`;
    }
    case crsm.readRecord: {
      const record = file.subarray((p1 - 1) * p3, p1 * p3);
      if (p1 === 0 || p3 === 0 || record.length < p3) return crsmStatus.recordNotFound;
      return `${crsmStatus.ok},"${toHexUpper(record)}"`;
    }
    case crsm.getResponse:
      return `${crsmStatus.ok},"${toHexUpper(fileControl(fileId, file.length))}"`;
    default:
      return crsmStatus.notSupported;
  }
}

const aidPattern = /^([0-9A-Fa-f]{2}){5,16}$/;

export function simCommands(personality: Personality): readonly CommandRow[] {
  return [
    {
      name: "+CPIN",
      read: ({ modem }) => {
        modem.sim.needProfile();
        return line("+CPIN: READY");
      },
      // The virtual profiles ask for no PIN.
      set: ({ modem }) => {
        modem.sim.needProfile();
        return refuse(cme.notAllowed);
      },
    },
    { name: "+CIMI", execute: ({ modem }) => line(modem.sim.needProfile().imsi) },
    ...Object.entries(personality.iccidCommands).map(([name, prefix]): CommandRow => {
      const iccid = ({ modem }: Call): ReturnType<typeof line> => {
        modem.sim.needProfile();
        return line(`${prefix}: ${modem.sim.iccid ?? refuse(cme.simFailure)}`);
      };
      return { name, execute: iccid, read: iccid };
    }),
    { name: "+CSIM", set: (call) => line(shown("+CSIM", call.modem.sim.raw(apdu(call, 0)))) },
    {
      name: "+CRSM",
      set: (call) => {
        call.modem.sim.needCard();
        return line(`+CRSM: ${readFile(call)}`);
      },
    },
    {
      name: "+CCHO",
      set: (call) => {
        const aid = text(call, 0);
        if (!aidPattern.test(aid)) return refuse(cme.incorrectParameters);
        const session = call.modem.sim.open(fromHex(aid));
        return line(personality.ccho === "bare" ? session : `+CCHO: ${session}`);
      },
    },
    { name: "+CGLA", set: (call) => line(shown("+CGLA", call.modem.sim.transmit(text(call, 0), apdu(call, 1)))) },
    {
      name: "+CCHC",
      set: (call) => {
        call.modem.sim.close(text(call, 0));
        return personality.cchcLine ? line("+CCHC") : ok;
      },
    },
    {
      name: "+CLCK",
      test: says('+CLCK: ("SC")'),
      set: (call) => (text(call, 0) === "SC" && int(call, 1, 0, 2) === 2 ? line("+CLCK: 0") : refuse(cme.notAllowed)),
    },
  ];
}
