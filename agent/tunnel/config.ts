// [tunnel]: the private APN's tunnel to the fleet's VPN gateway. Without the section there is none.
import { isIP } from "node:net";
import {
  array,
  boolean,
  check,
  type InferOutput,
  integer,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
} from "valibot";
import { addressWithPrefix } from "../netd/arguments.ts";
import { tunnelInterface } from "../netd/firewall.ts";
import { isIdentity } from "../netd/tunnel-arguments.ts";

const seconds = (from: number, to: number) => pipe(number(), integer("must be a whole number of seconds"), minValue(from), maxValue(to));
const credential = pipe(string(), regex(/^[A-Za-z0-9_.-]+$/, "must be the name of a systemd credential"));
const identity = pipe(string(), check(isIdentity, 'must be an address, a domain name, name@domain or "C=…, O=…, CN=…"'));
const network = pipe(
  string(),
  check((text) => addressWithPrefix.check(text) !== undefined, "must be a network, e.g. 10.0.0.0/8"),
);
const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes("%");
const address = pipe(string(), check(isAddress, "must be an IP address"));

export const tunnelConfig = pipe(
  strictObject({
    /** Name or address. */
    gateway: pipe(
      string(),
      check(
        (text) => isAddress(text) || /^(?=.{4,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(text),
        "must be a domain name or an IP address",
      ),
    ),
    local_id: identity,
    /** What the gateway's certificate must be for. */
    remote_id: identity,
    auth: optional(picklist(["cert", "eap"]), "cert"),
    /** PEM, leaf first. */
    certificate_credential: optional(credential),
    /** PEM. */
    key_credential: optional(credential),
    eap_identity: optional(
      pipe(string(), regex(/^[A-Za-z0-9._+=-]{1,128}(@[A-Za-z0-9.-]{1,120})?$/, "must be a network access identifier")),
    ),
    secret_credential: optional(credential),
    /** PEM of the CA, or CAs, that the gateway's certificate must lead to. */
    ca: pipe(string(), regex(/^\//, "must be an absolute path")),
    remote_ts: optional(pipe(array(network), minLength(1), maxLength(16)), ["0.0.0.0/0", "::/0"]),
    /** Networks behind the vehicle; none: the addresses that the gateway gives. */
    local_ts: optional(pipe(array(network), maxLength(16)), []),
    /** Asked of the gateway; 0.0.0.0 and :: are whichever it chooses. */
    virtual_ip: optional(pipe(array(address), maxLength(2)), ["0.0.0.0"]),
    /** The fleet's packets leave by the tunnel, or not at all. */
    required: optional(boolean(), true),
    /** Of ESP in userspace; where left out the kernel does it. */
    interface: optional(
      pipe(
        string(),
        check((name) => tunnelInterface.check(name) !== undefined, `must be ${tunnelInterface.expected}`),
      ),
    ),
    /** outside: simwardd's own packets go by the module's interface. inside: wherever routes lead. */
    management: optional(picklist(["outside", "inside"]), "outside"),
    /** Whether the gateway's name servers take the place of the network's. */
    dns: optional(boolean(), true),
    /** Of silence, before the gateway is asked whether it is there. */
    dpd_seconds: optional(seconds(5, 86_400), 60),
    rekey_seconds: optional(seconds(300, 604_800), 14_400),
    attempt_seconds: optional(seconds(5, 300), 60),
    /** Before the vehicle's or the CA's certificate ends. */
    certificate_warn_days: optional(pipe(number(), integer(), minValue(1), maxValue(365)), 30),
  }),
  check(
    ({ auth, certificate_credential, key_credential }) =>
      auth !== "cert" || (certificate_credential !== undefined && key_credential !== undefined),
    'needs certificate_credential and key_credential where auth = "cert"',
  ),
  check(
    ({ auth, eap_identity, secret_credential }) => auth !== "eap" || (eap_identity !== undefined && secret_credential !== undefined),
    'needs eap_identity and secret_credential where auth = "eap"',
  ),
  check(
    ({ virtual_ip, local_ts }) => virtual_ip.length > 0 || local_ts.length > 0,
    "needs virtual_ip or local_ts: something on this side of the tunnel",
  ),
);
export type TunnelConfig = InferOutput<typeof tunnelConfig>;
