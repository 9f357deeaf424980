// Arguments of the tunnel's verbs, each bounded and of one shape: nothing that charon would read as a name of a file, a wildcard or another kind of identity.
import { isIP } from "node:net";
import { type Argument, addressWithPrefix, type Given, ipAddress, oneOf, optional, wholeNumber } from "./arguments.ts";

const label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
/** A whole domain name: a word alone is looked up in whatever domain somebody has set. */
const hostName = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})+$`);

/** RFC 7296 §3.5: an address, a domain name, a mailbox or a distinguished name; no wildcard, no prefix that changes its kind. */
export function isIdentity(value: string): boolean {
  if (isIP(value) !== 0) return !value.includes("%");
  if (hostName.test(value)) return true;
  const [local = "", domain = "", more] = value.split("@");
  if (/^[A-Za-z0-9._+-]{1,64}$/.test(local) && hostName.test(domain) && more === undefined) return true;
  return value.length <= 512 && /^[A-Z]{1,12}=[A-Za-z0-9 ._@:+-]{1,128}(, ?[A-Z]{1,12}=[A-Za-z0-9 ._@:+-]{1,128}){0,15}$/.test(value);
}

const identity: Argument<string> = {
  expected: 'an identity: an address, a name, name@domain or "C=…, O=…, CN=…"',
  check: (value) => (typeof value === "string" && isIdentity(value) ? value : undefined),
};

/** Of an EAP user. */
const eapIdentity: Argument<string> = {
  expected: "a network access identifier",
  check: (value) => (typeof value === "string" && /^[A-Za-z0-9._+=-]{1,128}(@[A-Za-z0-9.-]{1,120})?$/.test(value) ? value : undefined),
};

/** DER or a secret, in base64. Never shown, whatever becomes of it. */
function octets(mostBytes: number): Argument<Uint8Array> {
  return {
    expected: `at most ${mostBytes} octets in base64`,
    check: (value) => {
      if (typeof value !== "string" || value.length === 0 || value.length > Math.ceil(mostBytes / 3) * 4) return undefined;
      return value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value) ? new Uint8Array(Buffer.from(value, "base64")) : undefined;
    },
  };
}

function listOf<T>(item: Argument<T>, least: number, most: number): Argument<readonly T[]> {
  return {
    expected: `a list of ${least} to ${most}, each ${item.expected}`,
    check: (value) => {
      if (!Array.isArray(value) || value.length < least || value.length > most) return undefined;
      const items = value.map((one: unknown) => item.check(one));
      return items.every((one): one is Awaited<T> & T => one !== undefined) ? items : undefined;
    },
  };
}

const certificateBytes = 4_096;

export const tunnelArguments = {
  /** Looked up by simwardd: its questions pass the firewall, and charon need not ask anybody. */
  gateway: ipAddress,
  localId: identity,
  remoteId: identity,
  auth: oneOf("cert", "eap"),
  /** Leaf first. */
  certificates: listOf(octets(certificateBytes), 0, 4),
  /** PKCS#8. */
  key: optional(octets(4_096)),
  eapIdentity: optional(eapIdentity),
  secret: optional(octets(256)),
  /** What the gateway's certificate must lead to. */
  cas: listOf(octets(certificateBytes), 1, 4),
  /** The gateway's side of the tunnel. */
  remoteTs: listOf(addressWithPrefix, 1, 16),
  /** This side; none: the addresses that the gateway gives. */
  localTs: listOf(addressWithPrefix, 0, 16),
  /** Asked for; 0.0.0.0 and :: are whichever the gateway chooses. */
  virtualIps: listOf(ipAddress, 0, 2),
  dpdSeconds: wholeNumber(5, 86_400),
  rekeySeconds: wholeNumber(300, 604_800),
  /** Where the management's own packets go: by the module's interface, or wherever routes lead. */
  management: oneOf("outside", "inside"),
  table: optional(wholeNumber(1, 252)),
  limitSeconds: wholeNumber(5, 300),
};

export type TunnelWanted = Given<typeof tunnelArguments>;
