// What the IPA needs of the world, as interfaces: a way to the card, ways to the servers. It knows nothing of what stands behind them.
import type { Es10 } from "./euicc/es10.ts";
import type { AddInitialEimRequest } from "./messages/eim-config.ts";

/** One logical channel with its application selected. CLA's channel bits are the channel's own affair: callers send CLA 00 or 80. */
export interface ApduChannel {
  /** A command APDU; answers data and SW1 SW2. 61xx, 6Cxx and 91xx are the caller's to read. Throws APDU_CHANNEL_LOST, AT_TIMEOUT, … */
  transmit(apdu: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The way to the card that a module offers. */
export interface ApduAccess {
  /** Opens a logical channel and selects an application on it. Throws CARD_NOT_EUICC when the card has no such application. */
  open(aid: Uint8Array, signal?: AbortSignal): Promise<ApduChannel>;
  /** Sends on the basic channel, where the module lets its host do that. */
  readonly transmitBasic?: ((apdu: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>) | undefined;
  /** The most data octets of one command APDU (Lc) that this way carries; the block size of STORE DATA. */
  readonly maxCommandDataBytes: number;
}

/** Only one at a time uses the eUICC; the others wait their turn. */
export interface EuiccSession {
  /** Opens a channel to the ISD-R, lets `use` work on it, closes it. `why` is what the status shows meanwhile. */
  withEuicc<T>(why: string, use: (es10: Es10) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Whom to believe behind an address. There is no way to believe everybody. */
export type TlsTrust =
  /** The server's certificate itself or one of its issuers, DER: sole trust anchor, partial chain allowed (SGP.32, trustedCertificateTls). */
  | { readonly kind: "certificate"; readonly der: Uint8Array }
  /** SubjectPublicKeyInfo, DER: the server's key, or that of an issuer in the presented chain (SGP.32, trustedEimPkTls). */
  | { readonly kind: "publicKey"; readonly spki: Uint8Array }
  /** Roots, DER. */
  | { readonly kind: "roots"; readonly certificates: readonly Uint8Array[] }
  /** For benches and PSK peers only. */
  | { readonly kind: "psk"; readonly identity: string; readonly key: Uint8Array };

/** Where an eIM is and how to know it. */
export interface EimEndpoint {
  readonly eimId: string;
  readonly host: string;
  readonly port: number;
  /** The name the certificate must carry and SNI announces; the host unless configured otherwise. */
  readonly serverName: string;
  readonly trust: TlsTrust;
  /** X-Admin-Protocol of the HTTPS binding; "gsma/rsp/v2.1.0" when absent. */
  readonly adminProtocol?: string | undefined;
}

export interface EsipaRequest {
  /** Last part of the JSON binding's path, e.g. getEimPackage (SGP.32 §6.4). */
  readonly functionName: string;
  /** One ESipa message: BER-TLV in the ASN.1 binding (SGP.32 §6.3), a JSON text in the JSON binding (§6.4). */
  readonly body: Uint8Array;
  /** asn1 when absent. */
  readonly encoding?: "asn1" | "json" | undefined;
}

export interface EsipaResponse {
  /** As HTTP counts: 200, 204, 404 …; CoAP codes are mapped (2.05 → 200, 2.04 → 200 or 204, 4.xx → 4xx). */
  readonly status: number;
  readonly contentType?: string | undefined;
  readonly body: Uint8Array;
}

export interface EsipaTransport {
  readonly scheme: "https" | "coaps";
  /** Throws COAP_TIMEOUT, DTLS_…, HTTP_…, TLS_… */
  exchange(eim: EimEndpoint, request: EsipaRequest, signal: AbortSignal): Promise<EsipaResponse>;
}

export interface RspServer {
  readonly host: string;
  readonly port: number;
  readonly trust: TlsTrust;
}

export interface Es9Transport {
  /** POSTs one ES9+ or ES11 function in JSON (SGP.22 §6.5); answers the parsed body, undefined for 204. */
  post(server: RspServer, functionName: string, body: unknown, signal: AbortSignal): Promise<unknown>;
}

/** How the IPA reaches SM-DP+ and SM-DS by itself. */
export interface RspPorts {
  readonly transport: Es9Transport;
  /** Of the GSMA CIs that such servers' TLS certificates must lead to, DER; never the web's roots. */
  readonly ciCertificates: readonly Uint8Array[];
  /** Secret: the code that the operator gave out of band, where a download asks for one. */
  readonly confirmationCode?: (() => Promise<string | undefined>) | undefined;
}

/** An eIM obeyed on a consumer eUICC: what an SGP.32 eUICC keeps in its own memory. */
export interface ConsumerPorts {
  /** Counters and results: damaged contents must be refused by `load`, never replaced by none. */
  readonly memory: Journal;
  /** The first eIMs of a card that never had any; undefined where none are configured. Throws CONFIG_… */
  readonly initialEims: () => Promise<AddInitialEimRequest | undefined>;
}

/** What a policy answers. Only `refuse` stops the IPA; the others are told and gone on with. */
export type Verdict =
  | { readonly kind: "allow" }
  | {
      readonly kind: "warn" | "throttle" | "refuse";
      /** The rule's id. */
      readonly rule: string;
      readonly reason: string;
      /** Wall clock, ms since the epoch: until then the same question gets the same answer. */
      readonly retryAt: number | undefined;
    };

/** One operation of an eUICC package, by its ASN.1 name (SGP.32 §2.11.1.1). ICCIDs as digits. */
export interface PackageOperation {
  readonly name: string;
  readonly iccid?: string | undefined;
  readonly rollbackFlag?: boolean | undefined;
  readonly eimId?: string | undefined;
}

export interface ProfileFacts {
  readonly iccid: string;
  readonly enabled: boolean;
  readonly profileClass: string | number | undefined;
  readonly fallbackAttribute: boolean;
  /** It is the emergency profile (SGP.32 §3.4.6). */
  readonly ecallIndication?: boolean | undefined;
  readonly profileName: string | undefined;
  readonly serviceProviderName: string | undefined;
}

/** What a policy is told at each gate. */
export interface GateFacts {
  readonly poll: { readonly eimId: string };
  /** An eUICC package before the card sees it. */
  readonly euiccPackage: {
    readonly eimId: string;
    readonly sha256: string;
    readonly operations: readonly PackageOperation[];
    /** On the card now; empty when the package touches no profile, which is when they are not asked for. */
    readonly profiles: readonly ProfileFacts[];
    /** Whether the profile that is enabled changes. */
    readonly changesProfile: boolean;
    /** What brings the vehicle back online if the profile enabled by this package finds no network. */
    readonly wayBack: "rollback" | "fallback" | "none" | "not needed";
  };
  /** A download trigger, before the first exchange. */
  readonly download: { readonly eimId: string; readonly sha256: string; readonly smdpAddress: string | undefined };
  /** The same download when the profile is known and nothing is installed yet. */
  readonly profileMetadata: {
    readonly eimId: string;
    readonly iccid: string;
    readonly serviceProviderName: string;
    readonly profileName: string;
    readonly profileClass: string | number;
    readonly profilePolicyRules: readonly (string | number)[];
    /** Of the owner, MCC and MNC digits. */
    readonly ownerPlmn: string | undefined;
  };
}

export type Gate = keyof GateFacts;

export interface PolicyGate {
  check<G extends Gate>(gate: G, facts: GateFacts[G]): Verdict;
}

/** The module and the network after a change of profile. */
export interface ProfileSwitch {
  /**
   * Makes the module use what the card now shows, and waits for a data path. `online` only when the ICCID read back is the one wanted and data
   * passes. Must end by `deadlineMs` from now, with `offline` if nothing else is known; rejects only when aborted.
   */
  adopt(change: {
    /** Digits; undefined when the card has no profile enabled now. */
    readonly iccid: string | undefined;
    /** The card announced a proactive command (91xx), which for a change of profile is REFRESH. */
    readonly refreshPending: boolean;
    readonly deadlineMs: number;
    /** It is the emergency profile that is enabled: an emergency is no reason to wait. */
    readonly isEmergencyProfile?: boolean | undefined;
    readonly signal?: AbortSignal | undefined;
  }): Promise<"online" | "offline">;
}

/** api: somebody on the vehicle said so. call: the module has a voice call. profile: the emergency profile is enabled. */
export type EmergencySource = "api" | "call" | "profile";

/** An emergency comes first: while there is one, nothing begins that could disturb it. */
export interface Interlock {
  /** What tells of one now; empty when there is none. */
  readonly sources: readonly EmergencySource[];
  /** The card was read: whether its emergency profile is enabled. */
  cardRead(emergencyProfileEnabled: boolean): void;
}

/** Where the IPA writes what is under way, before and after each act. A small object of JSON; nothing of it may be logged. */
export interface Journal {
  load(): Promise<unknown>;
  /** Durable when it resolves. */
  save(content: object): Promise<void>;
}

/** What the IPA says of the device; asked each time, since it changes. */
export interface DeviceFacts {
  /** IMEI digits, once the module has told it. */
  readonly imei: string | undefined;
  /** MCC and MNC of the network registered last. */
  readonly rPlmn: string | undefined;
}
