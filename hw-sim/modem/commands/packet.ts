// PDP contexts (3GPP TS 27.007 §10.1).
import { cme } from "../cme.ts";
import type { VirtualModem } from "../module.ts";
import { type Answer, type Call, type CommandRow, int, line, ok, refuse, says, text } from "./command.ts";

const types = ["IP", "IPV6", "IPV4V6"];
/** ESM causes as +CME ERROR (3GPP TS 27.007 §9.2.2). */
const cmeOfEsmCause: Readonly<Record<number, number>> = {
  8: 177,
  26: 126,
  27: 127,
  28: 128,
  29: 129,
  30: 130,
  31: 131,
  32: 132,
  33: 133,
  34: 134,
};
const mtuBytes = 1_430;
/** <auth_prot> of +CGAUTH. */
const chap = 2;

function cid(call: Call, index: number): number {
  const { minCid, maxCid } = call.modem.personality.contexts;
  return int(call, index, minCid, maxCid);
}

function define(call: Call): Answer {
  const number = cid(call, 0);
  if (call.args.length === 1) {
    call.modem.packet.undefine(number);
    return ok;
  }
  const type = text(call, 1, "IP").toUpperCase();
  const apn = text(call, 2, "");
  if (!types.includes(type) || !/^[A-Za-z0-9.-]{0,100}$/.test(apn)) return refuse(cme.incorrectParameters);
  const { firsts, personality } = call.modem;
  const fails = personality.contexts.firstDefinitionFails && firsts.definition;
  firsts.definition = false;
  if (fails) return { lines: [], final: "ERROR" };
  call.modem.packet.define({ cid: number, type, apn });
  return ok;
}

/** The contexts named, or all that are defined. */
function named(call: Call, from: number): readonly number[] {
  const given = call.args.slice(from).map((_, index) => cid(call, from + index));
  return given.length > 0 ? given : call.modem.packet.contexts.map((context) => context.cid);
}

function activate(call: Call): Answer {
  const { packet } = call.modem;
  const on = int(call, 0, 0, 1) === 1;
  for (const number of named(call, 1)) {
    if (packet.context(number) === undefined) refuse(cme.incorrectParameters);
    if (on) switchOn(call.modem, number);
    else if (packet.active(number) !== undefined) {
      if (packet.activeCount === 1 && call.modem.registration.state.rat !== "gsm") refuse(call.modem.personality.contexts.lastPdnCme);
      packet.deactivate(number, "ME");
    }
  }
  return ok;
}

/** Refuses as +CGACT does. */
export function switchOn(modem: VirtualModem, number: number): void {
  if (!modem.packet.attached) refuse(cme.noNetworkService);
  const esmCause = modem.packet.activate(number);
  if (esmCause !== undefined) refuse(cmeOfEsmCause[esmCause] ?? cme.unspecifiedSession);
}

function attach(call: Call): Answer {
  const { modem } = call;
  const { cell, rat } = modem.registration.state;
  if (int(call, 0, 0, 1) === 0) {
    modem.packet.detach("ME");
    return ok;
  }
  const subscriber = modem.sim.needProfile();
  if (cell === undefined) return refuse(cme.noNetworkService);
  if (modem.packet.attached) return ok;
  const esmCause = modem.packet.attach(subscriber, cell.plmn, rat !== "gsm");
  return esmCause === undefined ? ok : refuse(cmeOfEsmCause[esmCause] ?? cme.unspecifiedSession);
}

function dynamicParameters(modem: VirtualModem, number: number): string[] {
  const session = modem.packet.active(number);
  if (session === undefined) return [];
  const head = `+CGCONTRDP: ${number},${number + 4},"${session.apn}"`;
  if (modem.personality.cgcontrdp === "short") return [head];
  const mask = `${session.address}.255.255.255.255`;
  const [dns1 = "", dns2 = ""] = session.dns;
  const gateway = session.address.replace(/\d+$/, "1");
  return [`${head},"${mask}","${gateway}","${dns1}","${dns2}",,,0,0,${mtuBytes}`];
}

function cidRange({ personality: { contexts } }: VirtualModem): string {
  return `(${contexts.minCid}-${contexts.maxCid})`;
}

/** 3GPP TS 27.007 §10.1.31 has the user first; makes differ. */
function authenticate(call: Call): Answer {
  const { order, maxChars } = call.modem.personality.cgauth;
  const number = cid(call, 0);
  const protocol = int(call, 1, 0, 3);
  if (protocol === 0) {
    call.modem.packet.authenticate(number, undefined);
    return ok;
  }
  const [first, second] = [text(call, 2, ""), text(call, 3, "")];
  // With the password first, CHAP may do without the user.
  const enough = call.args.length >= 4 || (order === "password-user" && protocol === chap && call.args.length === 3);
  if (!enough || first.length > maxChars || second.length > maxChars) return refuse(cme.incorrectParameters);
  const [user, password] = order === "user-password" ? [first, second] : [second, first];
  call.modem.packet.authenticate(number, { protocol, user, password });
  return ok;
}

export const packetCommands: readonly CommandRow[] = [
  {
    name: "+CGDCONT",
    test: ({ modem }) => line(...types.map((type) => `+CGDCONT: ${cidRange(modem)},"${type}",,,(0),(0)`)),
    read: ({ modem }) =>
      line(...modem.packet.contexts.map(({ cid: number, type, apn }) => `+CGDCONT: ${number},"${type}","${apn}","0.0.0.0",0,0`)),
    set: define,
  },
  {
    name: "+CGAUTH",
    maxArgs: 4,
    test: ({ modem }) => line(`+CGAUTH: ${cidRange(modem)},(0-3),(0-${modem.personality.cgauth.maxChars})`),
    read: ({ modem: { packet } }) =>
      line(
        ...packet.contexts.map(({ cid: number }) => {
          const { protocol, user } = packet.credentials(number) ?? { protocol: 0, user: "" };
          // Passwords are not shown, here as in most modules.
          return protocol === 0 ? `+CGAUTH: ${number},0` : `+CGAUTH: ${number},${protocol},"${user}",""`;
        }),
      ),
    set: authenticate,
  },
  {
    name: "+CGATT",
    maxArgs: 1,
    test: says("+CGATT: (0,1)"),
    read: ({ modem }) => line(`+CGATT: ${Number(modem.packet.attached)}`),
    set: attach,
  },
  {
    name: "+CGACT",
    test: says("+CGACT: (0,1)"),
    read: ({ modem }) =>
      line(...modem.packet.contexts.map(({ cid: number }) => `+CGACT: ${number},${Number(modem.packet.active(number) !== undefined)}`)),
    set: activate,
  },
  {
    name: "+CGPADDR",
    test: ({ modem }) => line(`+CGPADDR: (${modem.packet.contexts.map((context) => context.cid).join(",")})`),
    set: (call) =>
      line(...named(call, 0).map((number) => `+CGPADDR: ${number},"${call.modem.packet.active(number)?.address ?? "0.0.0.0"}"`)),
    execute: (call) =>
      line(...named(call, 0).map((number) => `+CGPADDR: ${number},"${call.modem.packet.active(number)?.address ?? "0.0.0.0"}"`)),
  },
  {
    name: "+CGCONTRDP",
    maxArgs: 1,
    set: (call) => line(...named(call, 0).flatMap((number) => dynamicParameters(call.modem, number))),
    execute: (call) => line(...named(call, 0).flatMap((number) => dynamicParameters(call.modem, number))),
  },
  {
    name: "+CGEREP",
    maxArgs: 2,
    test: says("+CGEREP: (0-2),(0,1)"),
    read: ({ modem }) => line(`+CGEREP: ${modem.settings.cgerep},0`),
    set: (call) => {
      call.modem.settings.cgerep = int(call, 0, 0, 2, 0);
      int(call, 1, 0, 1, 0);
      return ok;
    },
  },
];
