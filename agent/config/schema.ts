// The configuration file: one strict object a section. Unknown keys are errors; a key exists only when something reads it.
// Keys are spelt as in the file, so that a message about one can be searched for.
import {
  array,
  boolean,
  check,
  type InferOutput,
  integer,
  maxValue,
  minLength,
  minValue,
  nonEmpty,
  number,
  omit,
  optional,
  picklist,
  pipe,
  record,
  regex,
  strictObject,
  string,
} from "valibot";
import { familyNames } from "../../at-drivers/families/names.ts";
import { eimFeatures } from "../../ipa/options.ts";
import { noHandover, ratChoices } from "../connectivity/radio-plan.ts";
import { lifecycleConfig } from "../lifecycle/config.ts";
import { traceConfig } from "../trace/config.ts";
import { tunnelConfig } from "../tunnel/config.ts";
import { usageConfig } from "../usage/config.ts";

const seconds = (from: number, to: number) => pipe(number(), integer("must be a whole number of seconds"), minValue(from), maxValue(to));
const text = pipe(string(), nonEmpty("must not be empty"));
const path = pipe(string(), regex(/^\//, "must be an absolute path"));
const credential = pipe(string(), regex(/^[A-Za-z0-9_.-]+$/, "must be the name of a systemd credential"));

const modem = strictObject({
  address: pipe(
    string(),
    regex(
      /^(auto$|usb:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(:[0-9A-Fa-f]{1,2})?$|\/|serial:\/|pty:\/|unix:[/@]|tcp:[^:]+:\d+$)/,
      "must be auto, usb:VENDOR:PRODUCT[:INTERFACE], /dev/…, serial:/dev/…, pty:/path, unix:/path or tcp:host:port",
    ),
  ),
  /** A family of docs/modules.md; found by asking the module where left out. */
  family: optional(picklist(familyNames)),
  /** simward-netd's hook takes the power of a module that answers nothing else away, and gives it back. */
  power_hook: optional(boolean(), false),
});

const bandList = array(pipe(number(), integer(), minValue(1), maxValue(256)));

const radio = pipe(
  strictObject({
    /** How long a registration may take before it counts as failed. */
    registration_timeout_seconds: optional(seconds(10, 3_600), 180),
    /** Technologies in order of preference; what the module has no part in is passed over. Left out: the module's own setting stays. */
    rats: optional(pipe(array(picklist(ratChoices)), minLength(1))),
    /** The vehicle never moves, so that NB-IoT may be. */
    stationary: optional(boolean(), false),
    /** 3GPP band numbers by technology; what is left out stays as it is. */
    bands: optional(strictObject({ lte_m: optional(bandList), cat_1bis: optional(bandList), nb_iot: optional(bandList) })),
    /** Power saving mode; left out: as the module has it. "on" takes the two timers below. */
    psm: optional(picklist(["on", "off"])),
    psm_periodic_tau_seconds: optional(seconds(60, 34_560_000)),
    psm_active_seconds: optional(seconds(2, 11_160)),
    /** eDRX cycle of LTE-M or NB-IoT, rounded up to one that there is; 0: off. Left out: as the module has it. */
    edrx_seconds: optional(seconds(0, 10_486)),
  }),
  check(
    ({ rats, stationary }) => stationary || rats?.includes("nb-iot") !== true,
    `has nb-iot in rats: ${noHandover}. Set stationary = true only for what stands still`,
  ),
  check(
    ({ psm, psm_periodic_tau_seconds, psm_active_seconds }) =>
      psm === "on" ? psm_periodic_tau_seconds !== undefined && psm_active_seconds !== undefined : psm_active_seconds === undefined,
    'needs psm_periodic_tau_seconds and psm_active_seconds where psm = "on", and has no use for them elsewhere',
  ),
);

const probe = strictObject({
  /** Who is asked whether anything passes: resolvers that the session names, the eIMs. Empty, and without hosts: nobody. */
  targets: optional(array(picklist(["dns", "eim"])), ["dns", "eim"]),
  /** host:port, asked by TCP; counts from the first time, whereas others count once they have answered. */
  hosts: optional(array(pipe(string(), regex(/^[^\s:]+:\d{1,5}$/, "must be host:port"))), []),
  /** 0: only when an eIM did not answer, and when a path has come up with something new. */
  interval_seconds: optional(seconds(0, 86_400), 300),
});

const apnEntry = strictObject({
  name: pipe(string(), regex(/^[A-Za-z0-9.-]{0,100}$/, "must be an APN (3GPP TS 23.003 §9)")),
  type: optional(picklist(["IP", "IPV6", "IPV4V6"]), "IPV4V6"),
  /** Applies to profiles whose ICCID begins so; the longest match wins, one without is the default. */
  iccid_prefix: optional(pipe(string(), regex(/^\d{1,20}$/, "must be decimal digits"))),
  /** Applies where the network's MCC is this. */
  mcc: optional(pipe(string(), regex(/^\d{3}$/, "must be three digits"))),
  /** The context that the module's own attachment uses, where left out: 0 or 1, by family. */
  cid: optional(pipe(number(), integer(), minValue(0), maxValue(16))),
  auth: optional(picklist(["none", "pap", "chap"]), "none"),
  user: optional(text),
  password_credential: optional(credential),
});
interface ApnAuth {
  readonly auth: "none" | "pap" | "chap";
  readonly user?: string | undefined;
  readonly password_credential?: string | undefined;
}
const hasUser = ({ auth, user }: ApnAuth): boolean => auth === "none" || user !== undefined;
const needsUser = "needs user where auth is pap or chap";
const hasNoNeedless = ({ auth, user, password_credential }: ApnAuth): boolean =>
  auth !== "none" || (user === undefined && password_credential === undefined);
const isNeedless = "has user or password_credential, which mean nothing without auth";
const apn = pipe(
  apnEntry,
  check((one) => hasUser(one), needsUser),
  check((one) => hasNoNeedless(one), isNeedless),
);

const eimPeer = strictObject({
  eim_id: text,
  /** PEM of the certificate to trust where the eUICC's configuration has no trustedPublicKeyDataTls. */
  ca: optional(path),
  /** host or host:port, in place of the eUICC's eimFqdn. */
  address: optional(text),
  /** The name the certificate must carry, where it differs from the host. */
  server_name: optional(text),
  /** auto: as the eUICC's configuration of that eIM says, what worked last first, and the next where one cannot connect. */
  binding: optional(picklist(["auto", "coaps", "https", "https-json"]), "auto"),
  /** Offers AES-128-CCM-8 too; it lowers OpenSSL's security level for this peer. */
  allow_ccm8: optional(boolean(), false),
  /** Silence after which the DTLS session is resumed at once instead of probed; learnt from here on. */
  nat_idle_seconds: optional(seconds(5, 86_400), 60),
  /** Some eIMs never acknowledge: the IPA then removes its own reported result. */
  remove_own_result: optional(boolean(), false),
  /** Asked no more often than this; by default as often as all others. */
  poll_interval_seconds: optional(seconds(10, 30 * 86_400)),
  /** The version of SGP.32 whose messages it reads. */
  esipa_version: optional(picklist(["1.2", "1.0"]), "1.2"),
  /** Whether what it acknowledges in the answer to an IpaEuiccDataResponse is removed from the eUICC. */
  ack_on_data_response: optional(boolean(), true),
  /** Whether it understands compact forms: then it gets them, where eim_features has minimizeEsipaBytes. */
  minimize_esipa_bytes: optional(boolean(), false),
  /** X-Admin-Protocol over HTTPS. */
  admin_protocol: optional(pipe(string(), regex(/^gsma\/rsp\/v\d+(\.\d+)*$/, "must be gsma/rsp/v and a version")), "gsma/rsp/v2.1.0"),
});

const eim = strictObject({
  poll_interval_seconds: optional(seconds(10, 7 * 86_400), 3_600),
  /** Tried first where an eIM offers several. */
  prefer_binding: optional(picklist(["coaps", "https", "https-json"]), "coaps"),
  max_packages_per_poll: optional(pipe(number(), integer(), minValue(1), maxValue(100)), 16),
  exchange_timeout_seconds: optional(seconds(5, 600), 120),
  /** How long a newly enabled profile may take to reach the eIM before the former one is brought back. */
  online_timeout_seconds: optional(seconds(10, 3_600), 300),
  mtu_bytes: optional(pipe(number(), integer(), minValue(256), maxValue(1_472)), 1_200),
  /** First DTLS retransmission; raise it on links with long round trips. */
  retransmit_initial_ms: optional(pipe(number(), integer(), minValue(100), maxValue(30_000)), 1_000),
  /** Offers DTLS Connection ID (RFC 9146): an eIM that speaks it knows the vehicle again at another address, without a handshake. */
  connection_id: optional(boolean(), true),
  /** Age at which such an association is renewed by resumption, with another name: a constant one would link the vehicle across networks. */
  connection_id_max_age_seconds: optional(seconds(60, 30 * 86_400), 86_400),
  /** On a consumer eUICC (SGP.22) too: simward keeps and checks what an SGP.32 eUICC would; results carry no card's signature. */
  on_consumer_euicc: optional(boolean(), false),
  /** An AddInitialEimRequest or EimConfigurationData (DER, hex or base64): the first eIMs of a consumer eUICC that never had any. */
  consumer_initial_eim: optional(path),
  peer: pipe(
    optional(array(eimPeer), []),
    check((list) => new Set(list.map(({ eim_id }) => eim_id)).size === list.length, "names an eim_id twice"),
  ),
});

const net = strictObject({
  /**
   * Who brings the data session to the kernel. none: the platform. ecm: simward, over the module's own network interface (ECM, RNDIS or NCM),
   * which the module is made to have. ppp: simward, over a second port. auto: simward, by what the module has; it is not changed.
   */
  mode: optional(picklist(["none", "auto", "ecm", "ppp"]), "none"),
  /** By default the network interface of the module's USB device; ppp0 for PPP. */
  interface: optional(pipe(string(), regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, "must be the name of an interface"))),
  /** session: what the network gave. dhcp: the platform's DHCP client sees to address, route and name servers. */
  addressing: optional(picklist(["session", "dhcp"]), "session"),
  netd_socket: optional(path, "/run/simward-netd.sock"),
  route_metric: optional(pipe(number(), integer(), minValue(0), maxValue(65_535)), 700),
  /** main by default. */
  route_table: optional(pipe(number(), integer(), minValue(1), maxValue(252))),
  /** What the network says by default. */
  mtu_bytes: optional(pipe(number(), integer(), minValue(576), maxValue(9_000))),
  /** By default the one that the table of USB modules has for data. */
  ppp_port: optional(path),
});

const rsp = strictObject({
  /** What TERMINAL CAPABILITY announces: SGP.22 LPA (83), SGP.32 IPAd (84), or both. */
  terminal_capability: optional(picklist(["83", "84", "both"]), "84"),
  /** A device has no end user: whether a profile policy rule that asks for consent is consented to. */
  ppr_consent: optional(picklist(["allow", "deny"]), "deny"),
  /** GSMA CI certificates, PEM or DER: without them no RSP server is spoken to directly. */
  ci_dir: optional(path),
  /** Download from the SM-DP+ without the eIM, unless the eIM says that it relays. */
  direct_download: optional(boolean(), true),
  /** Asks the eUICC after each installation whether the profile is to be enabled at once: it knows what an eIM has configured. */
  immediate_enable: optional(boolean(), true),
  /** Secret, given by the operator out of band. */
  confirmation_code_credential: optional(credential),
  /** What is left to the eIM in downloads that it relays; announced to it. */
  eim_features: optional(array(picklist(eimFeatures)), []),
});

const fallback = strictObject({
  /** Without it the fallback profile is enabled only when somebody asks for it. */
  enabled: optional(boolean(), true),
  /** Without a data path for so long, and every APN tried: the fallback profile is enabled (SGP.32 §3.4.5). */
  after_seconds: optional(seconds(30, 7 * 86_400), 900),
  /** Then the former profile is tried again; doubled each time it finds no network. */
  return_after_seconds: optional(seconds(30, 7 * 86_400), 3_600),
  return_max_seconds: optional(seconds(30, 30 * 86_400), 86_400),
});

const emergency = strictObject({
  /** Whether a voice call of the module counts as an emergency. */
  voice_call: optional(boolean(), true),
});

const port = pipe(number(), integer(), minValue(0), maxValue(65_535));
const perMinute = pipe(number(), integer(), minValue(0), maxValue(6_000));

const injection = pipe(
  strictObject({
    /** eIMs may bring packages by themselves, instead of being asked (SGP.32 §3.1.1.2). */
    enabled: optional(boolean(), false),
    /** Addresses of the vehicle to listen on, and no others. */
    listen: optional(array(text), []),
    schemes: optional(pipe(array(picklist(["coaps", "https"])), minLength(1)), ["coaps", "https"]),
    /** 0 lets the system choose. */
    coaps_port: optional(port, 5_684),
    https_port: optional(port, 8_443),
    /** PEM, leaf first. */
    certificate_credential: optional(credential),
    /** PEM, P-256. */
    key_credential: optional(credential),
    /** Of each eIM that proves itself by its client certificate. */
    requests_per_minute: optional(pipe(perMinute, minValue(1)), 30),
    /** Of all others together; 0 refuses whoever has no certificate. */
    unproven_requests_per_minute: optional(perMinute, 4),
    /** Connections and associations at a time, for each address and scheme. */
    max_peers: optional(pipe(number(), integer(), minValue(2), maxValue(256)), 16),
    max_body_bytes: optional(pipe(number(), integer(), minValue(1_024), maxValue(1_048_576)), 16_384),
    /** Then a peer hears that its package was received; the result follows with ProvideEimPackageResult. */
    answer_within_seconds: optional(seconds(1, 50), 25),
  }),
  check(({ enabled, listen }) => !enabled || listen.length > 0, "needs listen where enabled is true"),
  check(
    ({ enabled, certificate_credential, key_credential }) =>
      !enabled || (certificate_credential !== undefined && key_credential !== undefined),
    "needs certificate_credential and key_credential where enabled is true",
  ),
);

const swapPolicy = picklist(["free", "allow_list", "forbidden"]);
const thresholdDays = pipe(number(), integer(), minValue(0), maxValue(1_000));
const iccidPrefix = pipe(string(), regex(/^\d{1,20}$/, "must be decimal digits"));

const roaming = strictObject({
  /** Rules of permanent roaming in place of those simward ships with; signed, its signature beside it with `.sig` behind the name. */
  rules_file: optional(path),
  /** A border counts as crossed when the vehicle was registered beyond it for so long … */
  border_after_seconds: optional(seconds(0, 86_400), 300),
  /** … or so many times in a row; at a border gone to and fro both are doubled each time. */
  border_registrations: optional(pipe(number(), integer(), minValue(1), maxValue(1_000)), 10),
});

/** One way to name a profile. */
const preferred = pipe(
  strictObject({
    iccid: optional(iccidPrefix),
    nickname: optional(text),
    class: optional(picklist(["operational", "provisioning", "test"])),
  }),
  check(
    (one) => Object.values(one).filter((value) => value !== undefined).length === 1,
    "names a profile by iccid, nickname or class: one of them",
  ),
);

/** What may be recorded in a market. */
const dataKinds = picklist(["audit", "usage", "signal", "location"]);

const market = strictObject({
  /** Profiles in the order of preference; the first one that is on the eUICC is wanted. */
  prefer: optional(array(preferred), []),
  apn: optional(
    array(
      pipe(
        omit(apnEntry, ["mcc"]),
        check((one) => hasUser(one), needsUser),
        check((one) => hasNoNeedless(one), isNeedless),
      ),
    ),
    [],
  ),
  /** PLMNs, MCC and MNC; empty: whichever the module finds. */
  operators: optional(array(pipe(string(), regex(/^\d{5,6}$/, "must be 5 or 6 digits"))), []),
  /** Whether eIMs may change the profile there; as the rules say where left out. */
  swap: optional(swapPolicy),
  /** With allow_list: ICCIDs, or their beginnings, that may be enabled there. */
  allow: optional(array(iccidPrefix), []),
  /** What is recorded there and must not leave the vehicle. */
  keeps: optional(array(dataKinds), []),
});

const policy = strictObject({
  /** By rule id: thresholds and what is done, in place of what the rule says. */
  roaming: optional(
    record(
      pipe(string(), regex(/^[a-z0-9-]{2,40}$/, "must be the id of a rule")),
      strictObject({
        warn_at: optional(thresholdDays),
        act_at: optional(thresholdDays),
        action: optional(picklist(["poll", "market", "refuse_data"])),
        off: optional(boolean(), false),
      }),
    ),
    {},
  ),
  no_way_back: optional(picklist(["warn", "refuse"]), "warn"),
  /** What a card in another device than the one it was paired with is answered by. */
  imei_lock: optional(picklist(["refuse", "warn", "off"]), "refuse"),
  /** Where there is no simward-netd: "flight" switches the module's radio off while data is refused, but for a while at each poll. */
  enforce_without_netd: optional(picklist(["none", "flight"]), "none"),
  /** What may pass, by period, stage and profile. */
  usage: optional(usageConfig, {}),
});

const keys = strictObject({
  /** PEM of the public key, or keys, that the fleet's key ring is signed by. */
  root: optional(path),
});

const api = strictObject({
  /** The name of a socket in it, as /engineer.sock, must fit into the 107 octets that the kernel has for it. */
  dir: optional(
    pipe(string(), regex(/^\/[\x21-\x7e]{0,92}$/, "must be an absolute path of at most 93 printable ASCII characters")),
    "/run/simward",
  ),
  /** Groups that own viewer.sock, engineer.sock and admin.sock; without them the sockets belong to the daemon's user alone. */
  viewer_group: optional(text),
  engineer_group: optional(text),
  admin_group: optional(text),
  /** The least role that sees how much data has passed, anywhere. */
  usage_access: optional(picklist(["viewer", "engineer", "admin"]), "viewer"),
});

const audit = strictObject({
  segment_bytes: optional(pipe(number(), integer(), minValue(4_096), maxValue(16_777_216)), 262_144),
  max_segments: optional(pipe(number(), integer(), minValue(2), maxValue(10_000)), 64),
});

const samples = strictObject({
  /** Signal, place and usage now and then, under a key of the vehicle's present owner. */
  enabled: optional(boolean(), true),
  interval_seconds: optional(seconds(10, 86_400), 900),
  segment_bytes: optional(pipe(number(), integer(), minValue(4_096), maxValue(16_777_216)), 65_536),
  max_segments: optional(pipe(number(), integer(), minValue(2), maxValue(1_000)), 16),
});

const uplink = pipe(
  strictObject({
    /** The fleet's backend: reports are POSTed there. */
    url: optional(
      pipe(
        string(),
        regex(/^https:\/\/[^\s/?#@]+([/?]\S*)?$/, "must be an https address"),
        check(URL.canParse, "must be an https address"),
      ),
    ),
    /** PEM: the roots that its certificate must lead to. */
    ca: optional(path),
    interval_seconds: optional(seconds(60, 7 * 86_400), 21_600),
    /** Besides alarms and the head of the audit trail, which are always told. */
    sends: optional(array(picklist(["audit", "samples"])), ["audit"]),
    /** Of each kind, in one report. */
    max_report_bytes: optional(pipe(number(), integer(), minValue(1_024), maxValue(1_048_576)), 32_768),
    /** Sent as a bearer token. */
    token_credential: optional(credential),
  }),
  check(({ url, ca }) => (url === undefined) === (ca === undefined), "needs url and ca together: the web's roots are not believed"),
);

const clock = strictObject({
  /** Is there while the machine's clock is kept by network time; the default is that of systemd-timesyncd. */
  synchronised_file: optional(path, "/run/systemd/timesync/synchronized"),
});

const paths = strictObject({
  state: optional(path, "/var/lib/simward"),
});

const log = strictObject({
  level: optional(picklist(["debug", "info", "warn", "error"]), "info"),
});

export const configSchema = strictObject({
  modem,
  radio: optional(radio, {}),
  probe: optional(probe, {}),
  apn: pipe(
    optional(array(apn), []),
    check(
      (list) => list.filter((one) => one.iccid_prefix === undefined && one.mcc === undefined).length <= 1,
      "has more than one default (an entry without iccid_prefix and mcc)",
    ),
    check(
      (list) => new Set(list.map(({ iccid_prefix, mcc }) => `${iccid_prefix} ${mcc}`)).size === list.length,
      "has two entries for the same iccid_prefix and mcc",
    ),
  ),
  eim: optional(eim, {}),
  rsp: optional(rsp, {}),
  injection: optional(injection, {}),
  fallback: pipe(
    optional(fallback, {}),
    check(
      ({ return_after_seconds, return_max_seconds }) => return_max_seconds >= return_after_seconds,
      "has a return_max_seconds below return_after_seconds",
    ),
  ),
  emergency: optional(emergency, {}),
  net: optional(net, {}),
  tunnel: optional(tunnelConfig),
  policy: optional(policy, {}),
  roaming: optional(roaming, {}),
  /** By country; "*" for all others. */
  market: optional(record(pipe(string(), regex(/^([A-Z]{2}|\*)$/, 'must be ISO 3166-1 alpha-2, or "*"')), market), {}),
  lifecycle: optional(lifecycleConfig, {}),
  keys: optional(keys, {}),
  api: optional(api, {}),
  audit: optional(audit, {}),
  samples: optional(samples, {}),
  uplink: optional(uplink, {}),
  clock: optional(clock, {}),
  paths: optional(paths, {}),
  log: optional(log, {}),
  trace: optional(traceConfig, {}),
});

export type Config = InferOutput<typeof configSchema>;
export type ApnConfig = Config["apn"][number];
export type MarketConfig = Config["market"][string];
export type DataKind = MarketConfig["keeps"][number];
export type EimPeerConfig = Config["eim"]["peer"][number];
