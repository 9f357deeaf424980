// What the rest of simward sees of a cellular module: one object that outlives port losses, resets and changes of profile.
// Every operation has a deadline of its own; while the link is not `ready` it is refused with PORT_CLOSED or MODEM_ABSENT.
import type { ModemDataInterface } from "./data-interface.ts";
import type { OperatorProfile, OwnLpa } from "./family.ts";
import type { ModemRadio } from "./radio.ts";
import type { Toolkit } from "./toolkit.ts";
import type { TypedLines } from "./typed.ts";
import type {
  ModemIdentity,
  ModemListener,
  PdpContext,
  RefreshStep,
  RefreshStepTaken,
  Registration,
  SignalQuality,
  Unsubscribe,
} from "./types.ts";

/** closed: by `close`. opening: the port is being opened, again and again with back-off. probing: identify and initialise. lost: waiting to reopen. */
export type LinkState = "closed" | "opening" | "probing" | "ready" | "lost";

/** `failure` is what modules also say of an eUICC without an enabled profile. */
export type SimState = "ready" | "pin" | "puk" | "absent" | "busy" | "failure";

/** What is known at this moment without asking the module. */
export interface ModemStatus {
  readonly link: LinkState;
  /** The port that is open, or was last, such as serial:/dev/ttyUSB2; undefined before the first. */
  readonly port?: string | undefined;
  /** Why the link is not ready, in words. */
  readonly reason: string | undefined;
  /** The last octets that came on the port before the module was identified, at most 256: of a port that is no module's AT port, or at a wrong rate. */
  readonly heard?: Uint8Array | undefined;
  /** How often it said that it starts since it was ready last. */
  readonly starts?: number | undefined;
  readonly family: string | undefined;
  readonly identity: ModemIdentity | undefined;
  readonly imei: string | undefined;
  readonly iccid: string | undefined;
  readonly sim: SimState | undefined;
  /** The module answers commands of an LPA of its own, which would compete for the eUICC. */
  readonly ownLpa?: OwnLpa | undefined;
  readonly registration: Registration;
  /** How many commands in a row got no answer in time; 0 when all is well. */
  readonly consecutiveTimeouts: number;
}

/** 3GPP TS 27.007 §10.1.31. The password is never logged. */
export interface PdpAuth {
  readonly protocol: "pap" | "chap";
  readonly user: string;
  readonly password: string;
}

/** A PDP context that is up; addresses as text. */
export interface DataSession {
  readonly cid: number;
  /** The APN the network granted, where the module tells. */
  readonly apn: string | undefined;
  readonly address: string;
  readonly gateway: string | undefined;
  readonly dns: readonly string[];
  readonly mtuBytes: number | undefined;
}

export interface CardSwitch {
  /** The ICCID read back: the one wanted. */
  readonly iccid: string;
  /** The steps of the refresh ladder that were taken; the last one brought the change. Empty when it was there already. */
  readonly steps: readonly RefreshStep[];
  readonly tookMs: number;
  /** The same with the time of each. */
  readonly taken: readonly RefreshStepTaken[];
  /** The operator's configuration that the module runs with now; undefined: its family has none, it did not tell, or nothing was to be done. */
  readonly operatorProfile: OperatorProfile | undefined;
}

/** One row of AT+COPS=? (3GPP TS 27.007 §7.3). */
export interface OperatorFound {
  readonly plmn: string;
  readonly name: string;
  readonly status: "unknown" | "available" | "current" | "forbidden";
  /** AcT as the module numbers it; families map it. */
  readonly act: number | undefined;
}

/** One logical channel with its application selected; structurally ipa's ApduChannel. */
export interface ModemApduChannel {
  /** The channel's number, or the module's own handle of it, for traces. */
  readonly name?: string | undefined;
  /** Data and SW1 SW2. CLA 00 or 80: the channel's bits are set on the way. Throws APDU_CHANNEL_LOST, AT_TIMEOUT, APDU_MALFORMED, … */
  transmit(apdu: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  /** Never throws for a channel that is gone already. */
  close(): Promise<void>;
}

/** Structurally ipa's ApduAccess. The object stays the same over resets and port losses; what it can do is found by trying. */
export interface ModemApdu {
  /** Throws CARD_NOT_EUICC when the card lacks the application, APDU_CHANNEL when no channel is free, APDU_ACCESS when no way works. */
  open(aid: Uint8Array, signal?: AbortSignal): Promise<ModemApduChannel>;
  /** The basic channel through AT+CSIM; undefined until it was seen to work. */
  readonly transmitBasic?: ((apdu: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>) | undefined;
  readonly maxCommandDataBytes: number;
}

export interface Modem {
  readonly address: string;
  readonly status: ModemStatus;
  /** Resolves when the module is identified and initialised; at once when it is. Rejects when aborted or closed. */
  ready(signal?: AbortSignal): Promise<void>;
  onEvent(fn: ModemListener): Unsubscribe;

  /** As initialisation read it. Throws MODEM_ABSENT before the module was ever ready. */
  identity(): ModemIdentity;
  /** 15 digits, read from the module each time. */
  imei(signal?: AbortSignal): Promise<string>;
  imsi(signal?: AbortSignal): Promise<string>;
  /** 18 to 20 digits without padding, read from the module each time; a busy SIM is waited for. */
  iccid(signal?: AbortSignal): Promise<string>;
  simState(signal?: AbortSignal): Promise<SimState>;
  /** What the module's toolkit announces to the card; reads only. */
  toolkit(signal?: AbortSignal): Promise<Toolkit>;

  /** Asks the module; `status.registration` is the last known without asking. */
  registration(signal?: AbortSignal): Promise<Registration>;
  /** Resolves with home or roaming. Throws DEADLINE, its detail naming the last status and reject cause. */
  awaitRegistered(options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<Registration>;
  signalQuality(signal?: AbortSignal): Promise<SignalQuality>;
  /** `undefined` for automatic choice. Sent only when the choice read back differs: repeating it deregisters. */
  selectOperator(plmn: string | undefined, signal?: AbortSignal): Promise<void>;
  /** AT+COPS=?: minutes, and it interrupts data. */
  scanOperators(signal?: AbortSignal): Promise<readonly OperatorFound[]>;

  /** The context that an LTE attachment of this module uses: another one's APN decides nothing. By its family; of no one in particular before it is identified. */
  readonly attachCid: number;
  contexts(signal?: AbortSignal): Promise<readonly PdpContext[]>;
  /** Read, compare, write. Answers whether something had to be written. */
  ensureContext(context: PdpContext, auth?: PdpAuth, signal?: AbortSignal): Promise<{ readonly changed: boolean }>;
  /** Attaches and activates where that is not so yet; answers the address given. Throws AT_CME_ERROR with `data.cme`, or DEADLINE. */
  connect(cid: number, signal?: AbortSignal): Promise<DataSession>;
  disconnect(cid: number, signal?: AbortSignal): Promise<void>;
  /** The session as it is now, undefined when it is down. */
  session(cid: number, signal?: AbortSignal): Promise<DataSession | undefined>;

  /** Whether there is a voice call, in whatever state; undefined when the module cannot tell. */
  voiceCall(signal?: AbortSignal): Promise<boolean | undefined>;

  /** Operator, forbidden list, technologies, bands, power saving. */
  readonly radio: ModemRadio;
  readonly apdu: ModemApdu;
  readonly dataInterface: ModemDataInterface;
  /** After a change of profile: waits, then climbs the family's refresh ladder until the ICCID read back is this one. Throws SWITCH_NOT_SEEN. */
  awaitCard(options: { readonly iccid: string; readonly settleMs?: number; readonly signal?: AbortSignal }): Promise<CardSwitch>;
  /** One step of the refresh ladder; resolves when the link is ready again. */
  refresh(step: RefreshStep, signal?: AbortSignal): Promise<void>;
  /** +CFUN as it reads now: 0 minimum, 1 full, 4 flight, or what else a make has. */
  functionLevel(signal?: AbortSignal): Promise<number>;
  /** 0 minimum, 1 full, 4 flight; read, compare, write. */
  setFunction(level: 0 | 1 | 4, signal?: AbortSignal): Promise<void>;
  /** A line that a person typed, and its answer. What may be typed is the caller's to judge. Throws AT_ERROR, AT_CME_ERROR, AT_TIMEOUT. */
  readonly raw: TypedLines;
  /** Restarts the module; resolves when it is ready again. */
  reset(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
