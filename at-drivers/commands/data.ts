// Commands about packet data: contexts, authentication, attachment, addresses, events (3GPP TS 27.007 §10.1).
import { declare, int, optional, query, queryAll, quoted, quotedText, set, splitFields, text } from "../declare.ts";
import type { AtCommand } from "../engine/types.ts";

/** §10.1.1. A definition ends with fields of its maker's. */
export const readCgdcont = queryAll("+CGDCONT", "AT+CGDCONT?", "+CGDCONT:", [int("cid"), quotedText("type"), optional(text("apn"))]);
export const setCgdcont = set(
  "+CGDCONT",
  (cid: number, type: string, apn: string) => `AT+CGDCONT=${cid},${quoted(type, "the PDP type")},${quoted(apn, "the APN")}`,
);

/** §10.1.31: 0 none, 1 PAP, 2 CHAP; user before password, which not all makers keep to. */
export const setCgauth = set(
  "+CGAUTH",
  (cid: number, protocol: 0 | 1 | 2, user: string, password: string) =>
    protocol === 0
      ? `AT+CGAUTH=${cid},0`
      : `AT+CGAUTH=${cid},${protocol},${quoted(user, "the user name")},${quoted(password, "the password")}`,
  { sensitive: true },
);

/** Lists the contexts that have credentials, or all; many modules do not know it. */
export const readCgauth = queryAll("+CGAUTH", "AT+CGAUTH?", "+CGAUTH:", [int("cid"), int("protocol")], { sensitive: true });

/** SIMCom's +CGAUTH: the password stands before the user, and for CHAP the user may have to be left out. */
export const setCgauthPasswordFirst = set(
  "+CGAUTH",
  (cid: number, protocol: 1 | 2, password: string, user: string | undefined) =>
    `AT+CGAUTH=${cid},${protocol},${quoted(password, "the password")}${user === undefined ? "" : `,${quoted(user, "the user name")}`}`,
  { sensitive: true },
);

/** Quectel's own: type, APN and credentials of a context at once. */
export const setQicsgp = set(
  "+QICSGP",
  (cid: number, { type, apn }: { readonly type: PdpType; readonly apn: string }, protocol: 0 | 1 | 2, user: string, password: string) =>
    `AT+QICSGP=${cid},${qicsgpTypes[type]},${quoted(apn, "the APN")},${quoted(user, "the user name")},${quoted(password, "the password")},${protocol}`,
  { sensitive: true },
);
type PdpType = "IP" | "IPV6" | "IPV4V6";
const qicsgpTypes: Readonly<Record<PdpType, number>> = { IP: 1, IPV6: 2, IPV4V6: 3 };

/** u-blox's own; the order of the two strings differs by series. */
export const setUauthreq = set(
  "+UAUTHREQ",
  (cid: number, protocol: 0 | 1 | 2, first: string, second: string) =>
    `AT+UAUTHREQ=${cid},${protocol},${quoted(first, "the user name or password")},${quoted(second, "the user name or password")}`,
  { sensitive: true },
);

/** Telit's own. */
export const setPdpauth = set(
  "#PDPAUTH",
  (cid: number, protocol: 0 | 1 | 2, user: string, password: string) =>
    protocol === 0
      ? `AT#PDPAUTH=${cid},0`
      : `AT#PDPAUTH=${cid},${protocol},${quoted(user, "the user name")},${quoted(password, "the password")}`,
  { sensitive: true },
);

/** §10.1.9. */
export const readCgatt = query("+CGATT", "AT+CGATT?", "+CGATT:", [int("state")]);
export const setCgatt = set("+CGATT", (state: 0 | 1) => `AT+CGATT=${state}`, { timeoutMs: 140_000 });

/** §10.1.10. */
export const readCgact = queryAll("+CGACT", "AT+CGACT?", "+CGACT:", [int("cid"), int("state")]);
export const setCgact = set("+CGACT", (state: 0 | 1, cid: number) => `AT+CGACT=${state},${cid}`, { timeoutMs: 150_000 });

/** §10.1.18: the addresses of one context, empty when it has none. */
export const cgpaddr: AtCommand<readonly [cid: number], readonly string[]> = declare(
  "+CGPADDR",
  (cid: number) => `AT+CGPADDR=${cid}`,
  "+CGPADDR:",
  {},
  (reply) =>
    reply.lines.flatMap((info) =>
      splitFields(info)
        .slice(1)
        .map((field) => ipAddress(field?.text ?? ""))
        .filter((address) => address !== undefined),
    ),
);

export interface ContextParameters {
  readonly cid: number;
  readonly apn: string | undefined;
  readonly address: string | undefined;
  readonly gateway: string | undefined;
  readonly dns: readonly string[];
  readonly mtuBytes: number | undefined;
}

/** §10.1.23. A context with two IP versions has two lines; the tail may be cut anywhere, and not every module knows the command. */
export const cgcontrdp: AtCommand<readonly [cid: number], readonly ContextParameters[]> = declare(
  "+CGCONTRDP",
  (cid: number) => `AT+CGCONTRDP=${cid}`,
  "+CGCONTRDP:",
  {},
  (reply) =>
    reply.lines.map((info) => {
      const fields = splitFields(info).map((field) => field?.text);
      const mtu = Number(fields[11]);
      return {
        cid: Number(fields[0]),
        apn: fields[2],
        address: ipAddress(withoutMask(fields[3] ?? "")),
        gateway: ipAddress(fields[4] ?? ""),
        dns: [fields[5], fields[6]].map((dns) => ipAddress(dns ?? "")).filter((dns) => dns !== undefined),
        mtuBytes: mtu > 0 ? mtu : undefined,
      };
    }),
);

/** §10.1.19. */
export const readCgerep = query("+CGEREP", "AT+CGEREP?", "+CGEREP:", [int("mode"), optional(int("bfr"))]);
export const setCgerep = set("+CGEREP", (mode: number, bfr: number) => `AT+CGEREP=${mode},${bfr}`);

export type PacketEvent =
  | { readonly kind: "activated" | "deactivated"; readonly cid: number | undefined }
  | { readonly kind: "detached" | "rejected" }
  | { readonly kind: "other" };

/**
 * The text of a +CGEV (§10.1.19). `ME` and `NW` are left out and `EPS` put in by some makers, so the words decide; undefined when
 * the line is no +CGEV.
 */
export function parseCgev(line: string): PacketEvent | undefined {
  const found = /^\+CGEV ?:\s*(.*)$/.exec(line.trim());
  if (found === null) return undefined;
  const event = found[1] ?? "";
  if (/\bDETACH\b/.test(event)) return { kind: "detached" };
  if (/\bREJECT\b/.test(event)) return { kind: "rejected" };
  if (/\bDEACT\b/.test(event)) return { kind: "deactivated", cid: contextOf(event, "DEACT") };
  if (/\bACT\b/.test(event)) return { kind: "activated", cid: contextOf(event, "ACT") };
  return { kind: "other" };
}

/** `PDN ACT 8,1` names the context first; `DEACT "IP","10.0.0.2",1` behind type and address. */
function contextOf(event: string, word: string): number | undefined {
  const fields = splitFields(event.slice(event.indexOf(word) + word.length).trim());
  const cid = fields[0]?.quoted ? fields[2] : fields[0];
  return cid !== undefined && /^\d+$/.test(cid.text) ? Number(cid.text) : undefined;
}

/** Text form of an address as printed: four or sixteen dotted numbers, or colons; undefined for none, all zeros included. */
export function ipAddress(printed: string): string | undefined {
  const address = printed.trim();
  if (/^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(address)) return /[1-9a-f]/i.test(address) ? address.toLowerCase() : undefined;
  const numbers = address.split(".").map(Number);
  if ((numbers.length !== 4 && numbers.length !== 16) || !numbers.every((value) => Number.isInteger(value) && value >= 0 && value <= 255))
    return undefined;
  if (numbers.every((value) => value === 0)) return undefined;
  if (numbers.length === 4) return numbers.join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((numbers[i] ?? 0) * 256 + (numbers[i + 1] ?? 0)).toString(16));
  return groups.join(":");
}

/** +CGCONTRDP prints address and mask in one string: eight or thirty-two numbers. */
function withoutMask(printed: string): string {
  const numbers = printed.split(".");
  return numbers.length === 8 || numbers.length === 32 ? numbers.slice(0, numbers.length / 2).join(".") : (printed.split(/[ /]/)[0] ?? "");
}
