// Every error simward can raise: one row each, with what to do about it. Code branches on the code or its retry class, never on words.
import { traceId } from "./trace.ts";

/**
 * soon: try again at once or in seconds. later: back off. online: when there is a data path again.
 * operator: a person or the fleet's back end must change something first. never: the same input fails for ever.
 */
export type RetryClass = "soon" | "later" | "online" | "operator" | "never";

export interface ErrorRow {
  readonly retry: RetryClass;
  readonly text: string;
  /** What the reader can do next; a command where there is one. */
  readonly next: string;
}

const row = (retry: RetryClass, text: string, next: string): ErrorRow => ({ retry, text, next });

export const errorTable = {
  // bytes
  BYTES_NOT_HEX: row("never", "this is not hexadecimal", "give pairs of the digits 0-9 and A-F"),
  BYTES_NOT_ICCID: row("never", "this is not an ICCID", "give its 18 to 20 decimal digits"),
  BYTES_NOT_PLMN: row("never", "this is not a PLMN", "give MCC and MNC as 5 or 6 decimal digits"),
  BYTES_NOT_EID: row("never", "this is not an EID", "give its 32 decimal digits"),
  QUEUE_FULL: row("later", "too many requests are waiting", "wait, then try again"),
  QUEUE_CLOSED: row("later", "the resource has been closed", "simward status"),
  DEADLINE: row("later", "it took longer than allowed", "simward status"),
  ABORTED: row("soon", "it was stopped before it ended", "try again"),
  INTERNAL: row("later", "simward made an error of its own", "report it with this line and the log around it"),

  // disk
  DISK_READ: row("later", "a file could not be read", "check the file system and the permissions"),
  DISK_WRITE: row("later", "a file could not be written", "check free space and whether the file system is read-only"),
  STATE_CORRUPT: row("operator", "the state file is damaged and so is the one before it", "simward status"),
  STATE_TOO_NEW: row("operator", "the state was written by a newer simward", "install that version again; its state is kept as *.lost"),

  // ipa/asn1
  ASN1_TRUNCATED: row("never", "the data ends in the middle of a TLV", "check that all of it was given"),
  ASN1_TAG: row("never", "a tag is not where the type has it", "check the type's name, and the data at the offset named"),
  ASN1_LENGTH: row("never", "a length is not allowed here", "check the data at the offset named"),
  ASN1_VALUE: row("never", "a value is outside what its type allows", "check the data at the offset named"),
  ASN1_TRAILING: row("never", "there is data after the end of the value", "check that only one value was given"),
  ASN1_MISSING: row("never", "a mandatory field is missing", "check the type's name, and the data at the offset named"),
  ASN1_ENCODE: row("never", "this value cannot be encoded as its type", "check the field named"),
  ASN1_UNKNOWN_TYPE: row("never", "there is no ASN.1 type of that name", "simward package decode --list"),

  // transports
  OPENSSL_MISSING: row(
    "operator",
    "this Node does not offer its OpenSSL to simward",
    "use an official or a distribution's Node build with OpenSSL",
  ),
  DTLS_TIMEOUT: row("online", "the DTLS handshake got no answer in time", "simward eim test"),
  DTLS_HANDSHAKE: row("later", "the DTLS handshake failed", "simward eim test"),
  DTLS_ALERT: row("later", "the DTLS peer refused with an alert", "simward eim test"),
  DTLS_CLOSED: row("online", "the DTLS association has ended", "it is opened again by itself"),
  DTLS_CONFIG: row("operator", "the DTLS settings cannot be used", "correct the setting named"),
  UDP_UNREACHABLE: row("online", "the host cannot be reached by UDP", "check the address and the network; simward eim poll"),
  UDP_CLOSED: row("online", "the UDP link has ended", "it is opened again by itself"),
  DTLS_TOO_LARGE: row("never", "a message is larger than one DTLS record may carry", "use a smaller block size"),
  TLS_UNTRUSTED: row(
    "operator",
    "the server's certificate is not trusted",
    "compare its trustedPublicKeyDataTls with what the server presents",
  ),
  TLS_HOST_MISMATCH: row("operator", "the server's certificate is for another host", "check eimFqdn and the certificate's subjectAltName"),
  TLS_EXPIRED: row(
    "operator",
    "the server's certificate is outside its validity period",
    "check the device's clock, then renew the certificate",
  ),
  COAP_TIMEOUT: row("online", "the CoAP server did not answer in time", "simward eim poll"),
  COAP_RESET: row("soon", "the CoAP server forgot the exchange", "it is tried again by itself"),
  COAP_MESSAGE: row("later", "the CoAP message is malformed", "simward eim poll"),
  COAP_BLOCK: row("later", "a block-wise transfer went out of step", "it is tried again by itself"),
  COAP_TOO_LARGE: row("never", "the CoAP body is larger than accepted", "check the server"),
  COAP_RESPONSE: row("later", "the CoAP server answered with an error code", "simward eim poll"),
  HTTP_TIMEOUT: row("online", "the HTTPS server did not answer in time", "simward eim test"),
  HTTP_CONNECT: row("online", "no HTTPS connection could be made", "simward eim test"),
  HTTP_CLOSED: row("soon", "the HTTPS connection ended before the answer did", "it is tried again by itself"),
  HTTP_MESSAGE: row("later", "the HTTPS answer is malformed", "simward eim poll"),
  HTTP_STATUS: row("later", "the HTTPS server answered with an error status", "simward eim poll"),
  HTTP_TOO_LARGE: row("never", "the HTTPS body is larger than accepted", "check the server"),
  HTTP_LISTEN: row("later", "the HTTPS server cannot listen", "check the address, the port, the certificate and its key"),
  TRANSPORT_SCHEME: row("operator", "no transport fits this address", "use coaps or https"),

  // at-drivers
  AT_TIMEOUT: row("soon", "the module did not answer the command in time", "simward status"),
  AT_ERROR: row("later", "the module answered ERROR", "simward status"),
  AT_CME_ERROR: row("later", "the module answered +CME ERROR", "simward status"),
  AT_CMS_ERROR: row("later", "the module answered +CMS ERROR", "simward status"),
  AT_NO_CARRIER: row("later", "the module answered NO CARRIER or its like", "simward status"),
  AT_REPLY: row("soon", "the module's reply does not have the shape of the command", "simward status"),
  AT_LINE_TOO_LONG: row("soon", "the module sent a line without end", "simward status"),
  AT_SIM_BUSY: row("soon", "the SIM is busy", "wait some seconds"),
  AT_DENIED: row("operator", "that AT command is not for a line typed by hand", "see modem at in docs/cli.md"),
  AT_COMMAND: row("never", "this cannot be written as an AT command", "check the argument named"),
  PORT_BUSY: row("operator", "another process holds the port", "stop the process named, or set modem.address to another port"),
  PORT_OPEN: row("later", "the port could not be opened", "check the path and the permissions"),
  PORT_CLOSED: row("soon", "the module's port has closed", "it is opened again by itself"),
  PORT_ADDRESS: row("operator", "this is not an address of a port", "write serial:/dev/…, pty:/path, tcp:host:port or unix:/path"),
  MODEM_FAMILY: row("operator", "there is no module family of that name", "correct modem.family, or leave it out"),
  MODEM_UNABLE: row("operator", "modules of this family cannot do that, or nothing is known of how", "see docs/modules.md"),
  MODEM_OWN_LPA: row("operator", "the module has an LPA of its own, which competes for the eUICC", "switch it off as the detail says"),
  MODEM_ABSENT: row("later", "no module answers on the port", "check power and the port's path"),

  // eUICC access
  APDU_ACCESS: row("operator", "the module gives no access to the SIM's channels", "simward status"),
  APDU_CHANNEL: row("soon", "no logical channel could be opened", "simward status"),
  APDU_CHANNEL_LOST: row("soon", "the logical channel is gone", "it is opened again by itself"),
  APDU_STATUS: row("later", "the card answered with an error status", "simward status"),
  APDU_MALFORMED: row("soon", "the answer is not an APDU response", "simward status"),
  CARD_NOT_EUICC: row(
    "operator",
    "the card has no ISD-R: it is not an eUICC",
    "put an eUICC into the module's slot, or switch the module to the slot that holds it",
  ),
  CARD_NOT_SGP32: row("operator", "the eUICC does not support SGP.32", "simward status shows what it supports; another eUICC is needed"),
  CARD_EIM_MANAGED: row(
    "operator",
    "an eIM manages this eUICC's profiles, and the eUICC takes no local command for them",
    "have the eIM order it, then simward eim poll",
  ),
  CONSUMER_MEMORY: row(
    "operator",
    "the eIMs and counters kept for a consumer eUICC cannot be used, so no eIM is obeyed on it",
    "restore consumer.*.json of the state directory; or remove them and have new association tokens given",
  ),
  CARD_IPAE_ACTIVE: row("operator", "the eUICC runs its own IPA, so simward stays passive", "simward status"),
  ES10_UNSUPPORTED: row("never", "the eUICC does not know this function", "simward status"),
  ES10_RESPONSE: row("later", "the eUICC's response is not of the function's type", "simward status"),
  ES10_TOO_LONG: row("never", "the command does not fit the blocks of STORE DATA", "check the package's size"),
  ES10_REFUSED: row("operator", "the eUICC refused", "simward profile list; simward card classify says what this eUICC takes"),

  // IPA
  ESIPA_UNREACHABLE: row("online", "the eIM did not answer", "simward eim test"),
  ESIPA_RESPONSE: row("later", "the eIM's answer is not of the function's type", "simward eim poll"),
  ESIPA_STATUS: row("later", "the eIM answered with an error status", "simward eim poll"),
  ESIPA_REFUSED: row("operator", "the eIM refused", "check the eIM's registration of this eUICC"),
  EIM_NOT_CONFIGURED: row(
    "operator",
    "the eUICC knows no eIM",
    "simward eim add-initial FILE --reason WHY, or have its maker associate one",
  ),
  EIM_NO_TRUST: row(
    "operator",
    "the eIM's configuration has no trustedPublicKeyDataTls and no [[eim.peer]] ca is configured",
    "add ca to [[eim.peer]]",
  ),
  EIM_NO_ADDRESS: row("operator", "the eIM's configuration names no usable address", "add address to [[eim.peer]]"),
  EIM_UNKNOWN: row("operator", "no eIM of that id is configured", "simward eim list"),
  EIM_NO_PROTOCOL: row("operator", "the eIM and this IPA have no protocol in common", "check eimSupportedProtocol"),
  INJECTION_UNPROVEN: row(
    "operator",
    "only the eIM itself may send this, and nothing proves that it was the eIM",
    "present the client certificate that fits trustedPublicKeyDataTls",
  ),
  INJECTION_LIMIT: row("later", "more was injected than is allowed", "wait, or raise the limits of [injection]"),
  INJECTION_LISTEN: row("later", "eIMs cannot inject, as nothing listens", "correct [injection]; it is tried again by itself"),
  PACKAGE_FORMAT: row("never", "the eIM package is malformed", "simward package decode"),
  PACKAGE_UNKNOWN: row("never", "the eIM package is of an unknown kind", "simward package decode"),
  DOWNLOAD_FAILED: row("operator", "the profile download failed", "simward audit tail"),
  DOWNLOAD_REFUSED: row("operator", "the profile may not be downloaded", "do what the detail says; simward doctor"),
  PROFILE_NOT_ONLINE: row("later", "the new profile found no network in time", "simward status"),
  NO_DATA_PATH: row("online", "no data path came up in time", "simward status; it is tried again by itself"),
  APN_FAILED: row(
    "operator",
    "the configured APN found no network, and the one before is in use again",
    "correct [[apn]] in the configuration",
  ),
  RADIO_FAILED: row(
    "operator",
    "the radio settings wanted do not work on this module or in this network",
    "simward net status; correct [radio] in the configuration",
  ),
  RADIO_REFUSED: row("operator", "that technology is refused for a vehicle", "choose lte-m or cat-1bis, or set radio.stationary = true"),
  RADIO_UNFIT: row(
    "operator",
    "the module may use a technology that does not suit a vehicle",
    'set radio.rats, such as ["lte-m"] or ["cat-1bis"], or radio.stationary = true',
  ),
  PATH_DEAD: row("operator", "there is a data session, but nothing passes over it", "simward net status; simward net probe"),
  SWITCH_NOT_SEEN: row("later", "the module still shows the former profile", "simward status"),
  RSP_SERVER: row("later", "the RSP server refused", "simward audit tail"),
  ACTIVATION_CODE: row("never", "this is not an activation code", "write LPA:1$address$matching-id"),

  // policy
  POLICY_REFUSED: row("operator", "a policy forbids it", "simward policy explain; simward audit tail --event policy."),
  POLICY_GOES_DARK: row("operator", "it would leave no way back online", "say that it is meant, with a reason; see the verb's --help"),
  POLICY_NO_WAY_BACK: row("operator", "the package would leave no way back online", "set the rollback flag, or policy.no_way_back"),
  POLICY_ALARM: row("operator", "a policy of the fleet raises an alarm", "simward policy explain"),
  USAGE_WARNING: row("operator", "much of a cap on data is used", "simward usage show"),
  USAGE_CAP: row("operator", "a cap on data is used up", "simward usage show"),
  USAGE_RESERVE: row("operator", "management has used up its reserve of data", "simward usage show"),
  USAGE_MISMATCH: row("operator", "the module counted otherwise than the kernel", "simward usage show"),
  USAGE_LOST: row("operator", "the counts of usage are damaged; counting has begun anew", "simward usage show"),
  IMEI_LOCK: row("operator", "the pairing of device and card does not allow this", "simward imei-lock show"),
  IMEI_LOCK_MISMATCH: row("operator", "the card is in another device than the one it was paired with", "simward imei-lock show"),
  KEYS_NO_ROOT: row(
    "operator",
    "no root key is configured by which the fleet's keys could be known",
    "set keys.root, then restart simwardd",
  ),
  KEYRING_INVALID: row("operator", "these keys are not acceptable", "simward keys list; have the root sign a ring with a higher version"),
  TOKEN_REFUSED: row(
    "operator",
    "the token is not accepted",
    "have one made for what is shown now, by a key of the key ring; simward keys list",
  ),
  LIFECYCLE_REFUSED: row("operator", "the stage of the vehicle's life does not allow this", "simward lifecycle status"),
  LIFECYCLE_RETIREMENT: row(
    "operator",
    "retirement or transfer is not finished: a profile is not as it must be",
    "simward lifecycle status",
  ),
  LIFECYCLE_LOST: row(
    "operator",
    "what was kept of the vehicle's stage could not be read; it is taken from the audit trail",
    "simward lifecycle status",
  ),
  ROAMING_RULES: row("operator", "these roaming rules are not taken; those before stay in force", "simward roaming rules show"),
  ROAMING_LOST: row("operator", "the roaming days counted so far could not be read, and are counted anew", "simward roaming history"),

  // agent
  CONFIG_READ: row("operator", "the configuration cannot be read", "check the path and the permissions"),
  CONFIG_SYNTAX: row("operator", "the configuration is not TOML", "correct the line named"),
  CONFIG_INVALID: row("operator", "the configuration is not valid", "correct the setting named; simward config validate"),
  UPLINK_REFUSED: row("later", "the fleet's backend did not take the report", "look at the backend; it is told again by itself"),
  UPLINK_FAILED: row(
    "later",
    "the fleet's backend cannot be reached",
    "simward net status; then uplink.url and uplink.ca in the configuration",
  ),
  STATE_LOCKED: row("operator", "another simwardd uses this state directory", "stop it, or give this one another paths.state"),
  AUDIT_BROKEN: row("operator", "the audit trail does not hold together", "simward audit verify"),
  AUDIT_WRITE: row("later", "an audit record could not be written", "check free space and the file system"),
  API_BUSY: row("operator", "another process serves the local API's sockets", "stop it, or give this one another api.dir"),
  API_NOT_RUNNING: row("later", "simwardd is not running, or its socket is elsewhere", "systemctl status simwardd; or give --socket"),
  API_FORBIDDEN: row("operator", "this socket's role may not do that", "use the socket of the role named"),
  API_NOT_FOUND: row("never", "there is no such resource", "check the path"),
  API_METHOD: row("never", "this resource does not take that method", "use a method that it takes"),
  API_TOO_LARGE: row("never", "the request is larger than the local API takes", "send less; see docs/api.md"),
  API_RATE: row("soon", "too many requests in too short a time", "wait as long as Retry-After says"),
  API_INPUT: row("never", "the request is not valid", "correct the field named"),
  UI_SESSION: row("operator", "this page is not let in", "run simward ui again, and open the address that it prints"),
  UI_PORT: row("operator", "the page's port cannot be opened", "give simward ui another --port, or none: then it takes one that is free"),
  API_GONE: row(
    "later",
    "simwardd went away before it had answered",
    "simward status, once it is back; whether an order was carried out: simward audit tail",
  ),
  API_RESPONSE: row("later", "the daemon's answer could not be read", "simward status"),
  USAGE: row("never", "the command line is not valid", "simward --help"),
  NOT_FOUND: row("never", "there is no such thing", "check the name"),
  BUSY: row("soon", "another operation is under way", "wait for it, then try again"),
  FALLBACK_REFUSED: row("operator", "there is nothing to fall back to, or to return from", "simward profile list; simward status"),
  EMERGENCY_ACTIVE: row("later", "an emergency is under way, and this could disturb it", "simward emergency status; it goes on by itself"),

  // netd
  NETD_VERB: row("never", "simward-netd knows no such verb", "see docs/netd.md"),
  NETD_ARGUMENT: row("never", "an argument of a simward-netd verb is not allowed", "correct the argument named"),
  NETD_FAILED: row("later", "what simward-netd was asked for failed", "check the log of simward-netd"),
  NETD_REFUSED: row(
    "operator",
    "others than root could decide what simward-netd would run",
    "correct owner and permissions as the detail says",
  ),
  NETD_FORBIDDEN: row(
    "operator",
    "simward-netd does not serve the daemon's user",
    "set SIMWARD_UID in /etc/simward/netd.env to the uid that was refused; systemctl restart simward-netd",
  ),
  NETD_ABSENT: row("later", "simward-netd does not answer", "systemctl status simward-netd.socket; check net.netd_socket"),
  NETD_PROGRAM: row(
    "operator",
    "a program that simward-netd needs is not installed",
    "install nftables and iproute2; see docs/data-path.md",
  ),
  FIREWALL_ALTERED: row(
    "later",
    "another program has altered or removed simward's table of the kernel's firewall",
    "nft list table inet simward; it is repaired by itself",
  ),
  FIREWALL_FAILED: row("later", "the kernel's firewall is not as policy wants it", "simward policy explain; check the log of simward-netd"),
  DNS_FAILED: row("online", "the network's name servers do not answer", "simward status; check the session's name servers"),
  DNS_NOT_FOUND: row(
    "later",
    "the network's name servers know no address of this name",
    "check the name; check whether the APN reaches it",
  ),
  DNS_REFUSED: row("later", "a name server's answer cannot be used", "check the session's name servers"),
  NET_INTERFACE: row("later", "the module's data interface is not there, or cannot be used", "simward modem list; check the section [net]"),

  // the private APN's tunnel
  VICI_MESSAGE: row(
    "later",
    "what charon answered is no message of vici",
    "check that strongSwan is 5.9 or newer; report it with this line",
  ),
  TUNNEL_ABSENT: row("later", "charon, which keeps the tunnel, does not run", "systemctl status simward-charon.service"),
  TUNNEL_CREDENTIAL: row(
    "operator",
    "the tunnel's certificate, key or secret cannot be used",
    "correct the credential named; see docs/tunnel.md",
  ),
  TUNNEL_UNREACHABLE: row("online", "the tunnel's gateway does not answer", "simward net probe; check tunnel.gateway"),
  TUNNEL_REFUSED: row(
    "operator",
    "the tunnel's gateway does not accept this vehicle",
    "check tunnel.local_id and the credential against what the gateway has",
  ),
  TUNNEL_UNTRUSTED: row(
    "operator",
    "the tunnel's gateway is not the one expected",
    "check tunnel.ca and tunnel.remote_id against its certificate",
  ),
  TUNNEL_GATEWAY_EXPIRED: row(
    "operator",
    "the certificate of the tunnel's gateway is outside its validity period",
    "check the device's clock, then have the gateway's certificate renewed",
  ),
  TUNNEL_PROPOSAL: row(
    "operator",
    "the tunnel's gateway takes none of our algorithms",
    "compare docs/tunnel.md with the gateway's proposals",
  ),
  TUNNEL_SELECTORS: row("operator", "the tunnel's gateway does not carry what is asked for", "check tunnel.remote_ts and tunnel.local_ts"),
  TUNNEL_ADDRESS: row("operator", "the tunnel's gateway gives this vehicle no address", "check tunnel.virtual_ip and the gateway's pool"),
  TUNNEL_FAILED: row("later", "the tunnel could not be brought up", "simward net tunnel; journalctl -u simward-charon"),
  TUNNEL_CERTIFICATE_EXPIRING: row("operator", "the tunnel's certificate ends soon", "renew the credential, then restart simwardd"),
  TUNNEL_CERTIFICATE_EXPIRED: row("operator", "the tunnel's certificate has ended", "renew the credential, then restart simwardd"),

  // hw-sim
  SIM_OPTION: row("operator", "the virtual vehicle cannot start like this", "simward-sim run --help"),
  SIM_REQUEST: row("never", "the virtual vehicle does not understand the request", "see docs/hw-sim-api.md, for the card docs/hw-sim.md"),
  SIM_PKI: row(
    "operator",
    "the virtual vehicle's certificates cannot be used",
    "correct the file named, or name an empty directory to have them made",
  ),
  SIM_CARD: row("soon", "the external card does not answer", "start the card, or check simward-sim run --card"),
  CERTIFICATE: row("operator", "the certificate is not acceptable", "check the certificate named"),
  BPP_SECURITY: row("never", "a protected segment fails its check", "the package is damaged or was made for another eUICC"),
  PROFILE_PACKAGE: row("never", "the profile package cannot be installed", "check the profile element named"),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorContext {
  /** What, where: a path, an offset, a value that is no secret. */
  readonly detail?: string;
  /** What helps in this case, where the row's own advice does not. */
  readonly next?: string | undefined;
  readonly cause?: unknown;
  /** Facts for a program: numbers, names; never a secret, never a whole identifier. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export class SimwardError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly next: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Trace of what it happened in. */
  readonly ref: string | undefined;

  constructor(code: ErrorCode, context: ErrorContext = {}) {
    super(context.detail === undefined ? errorTable[code].text : `${errorTable[code].text}: ${context.detail}`, { cause: context.cause });
    this.name = "SimwardError";
    this.code = code;
    this.detail = context.detail;
    this.next = context.next ?? errorTable[code].next;
    this.data = context.data ?? {};
    this.ref = traceId();
  }

  get retry(): RetryClass {
    return errorTable[this.code].retry;
  }
}

export function isCode(error: unknown, ...codes: readonly ErrorCode[]): error is SimwardError {
  return error instanceof SimwardError && codes.includes(error.code);
}

/** Any thrown value as a SimwardError: its own kind unchanged, all else wrapped with the cause kept. */
export function asSimwardError(error: unknown, code: ErrorCode = "INTERNAL"): SimwardError {
  if (error instanceof SimwardError) return error;
  return new SimwardError(code, { detail: error instanceof Error ? error.message : String(error), cause: error });
}

/** Why, in words, without the path that the caller names anyway: "ENOENT: no such file or directory". */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "syscall" in error ? (error.message.split(", ")[0] ?? error.message) : error.message;
}

/** The shape in which an error leaves the process: API, CLI, audit. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
  readonly retry: RetryClass;
  /** Trace id: simward trace all --id REF. */
  readonly ref?: string;
}

export function errorReport(error: unknown): ErrorReport {
  const e = asSimwardError(error);
  return { code: e.code, message: e.message, next: e.next, retry: e.retry, ...(e.ref === undefined ? {} : { ref: e.ref }) };
}
