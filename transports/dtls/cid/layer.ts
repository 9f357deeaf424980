// Connection ID (RFC 9146) around one SSL: its records become tls12_cid ones on their way out, and ordinary ones again on their way in.
// OpenSSL keeps epochs, sequence numbers and the replay window, and never learns of any of it. It knows no socket and no address.
import { concatBytes, equalBytes } from "../../../base/bytes.ts";
import { contentTypes, recordHeaderBytes } from "../records.ts";
import { decodeConnectionId, decodeErrorAlert, encodeConnectionId, extensionTypes } from "./extension.ts";
import { type AeadFacts, deriveKeys, type RecordKeys, type SessionSecrets } from "./keys.ts";
import { type OpenRecord, openCid, openPlain, sealCid, sealPlain } from "./records.ts";

export interface ConnectionIdOptions {
  /** What the peer is to put into its records; empty where records need no name, as with a client. At most 255 octets. */
  readonly own: Uint8Array;
  /** A record is being taken in that is authentic and newer, by epoch and sequence number, than every one before it. */
  readonly onNewer?: (() => void) | undefined;
  /** The peer answered a path_challenge. */
  readonly onPathResponse?: ((cookie: Uint8Array) => void) | undefined;
}

/** What of the session protects its records; undefined while OpenSSL does not have it. */
export type SecretsSource = () => (SessionSecrets & { readonly aead: AeadFacts }) | undefined;

/** rrc_msg_type (RFC 9853) */
const pathMessages = { challenge: 0, response: 1 } as const;
const cookieBytes = 8;
const none = new Uint8Array(0);

export class ConnectionIdLayer {
  readonly own: Uint8Array;
  readonly #options: ConnectionIdOptions;
  readonly #role: "client" | "server";
  readonly #secrets: SecretsSource;
  #keys: { readonly read: RecordKeys; readonly write: RecordKeys } | undefined;
  /** What the peer wants in our records; undefined while nothing is agreed. */
  #peer: Uint8Array | undefined;
  #peerChecksPaths = false;
  /** Epoch and sequence number, 8 octets. */
  #newest: Uint8Array = none;
  #newestChallenge: Uint8Array = none;
  #reply: Uint8Array | undefined;

  constructor(role: "client" | "server", options: ConnectionIdOptions, secrets: SecretsSource) {
    this.#role = role;
    this.#options = options;
    this.#secrets = secrets;
    this.own = options.own;
  }

  // --- negotiation -------------------------------------------------------------------------------------------------------------

  /** For SslHooks: OpenSSL asks a server only for what its client sent. */
  extension(type: number): Uint8Array | undefined {
    if (this.#role === "server" && this.#peer === undefined) return undefined;
    if (type === extensionTypes.connectionId) return encodeConnectionId(this.own);
    return type === extensionTypes.returnRoutabilityCheck ? none : undefined;
  }

  /** For SslHooks: answers the alert to refuse with. */
  takeExtension(type: number, content: Uint8Array): number | undefined {
    if (type === extensionTypes.connectionId) {
      this.#peer = decodeConnectionId(content);
      return this.#peer === undefined ? decodeErrorAlert : undefined;
    }
    if (type !== extensionTypes.returnRoutabilityCheck) return undefined;
    this.#peerChecksPaths = content.length === 0;
    return content.length === 0 ? undefined : decodeErrorAlert;
  }

  /** Both sides speak it. */
  get isAgreed(): boolean {
    return this.#peer !== undefined;
  }

  /** Our records carry the peer's name for the association: it finds it wherever they come from. */
  get isNamedOutward(): boolean {
    return this.#peer !== undefined && this.#peer.length > 0;
  }

  /** The peer's records must carry ours. */
  get isNamedInward(): boolean {
    return this.#peer !== undefined && this.own.length > 0;
  }

  get checksPaths(): boolean {
    return this.isAgreed && this.#peerChecksPaths;
  }

  /** What our records grow by: the CID, and the type inside. */
  get growthBytes(): number {
    return this.isNamedOutward ? (this.#peer?.length ?? 0) + 1 : 0;
  }

  get hasKeys(): boolean {
    return this.#ensureKeys() !== undefined;
  }

  // --- out ---------------------------------------------------------------------------------------------------------------------

  /**
   * A record as OpenSSL wrote it, as it goes on the wire; `disguised` where its application data is a return_routability_check message.
   * The original stays here and its nonce goes with the other, so that no nonce is seen twice. Throws when that cannot be done.
   */
  outbound(record: Uint8Array, disguised: boolean): Uint8Array {
    const isChanged = this.isNamedOutward || (disguised && record[0] === contentTypes.applicationData);
    if (epochOf(record) === 0 || !isChanged) return record;
    const keys = this.#ensureKeys();
    const opened = keys && openPlain(keys.write, record);
    if (keys === undefined || opened === undefined) throw new Error("a record of OpenSSL's own cannot be opened");
    const isCheck = disguised && opened.type === contentTypes.applicationData;
    const changed = isCheck ? { ...opened, type: contentTypes.returnRoutabilityCheck } : opened;
    return this.isNamedOutward ? sealCid(keys.write, this.#peer ?? none, changed) : sealPlain(keys.write, changed);
  }

  pathChallenge(cookie: Uint8Array): Uint8Array {
    return concatBytes(Uint8Array.of(pathMessages.challenge), cookie);
  }

  /** An answer to the peer's path_challenge that is still to be written, once. */
  takeReply(): Uint8Array | undefined {
    const reply = this.#reply;
    this.#reply = undefined;
    return reply;
  }

  // --- in ----------------------------------------------------------------------------------------------------------------------

  /** Whether an ordinary record may go on to OpenSSL: an encrypted one without the name agreed upon may not (RFC 9146 §6). */
  admits(record: Uint8Array): boolean {
    if (epochOf(record) === 0) return true;
    if (this.isNamedInward) return false;
    if (record[0] !== contentTypes.returnRoutabilityCheck) return true;
    const keys = this.checksPaths ? this.#ensureKeys() : undefined;
    const opened = keys && openPlain(keys.read, record);
    if (opened !== undefined) this.#takePathMessage(opened);
    return false;
  }

  /** A tls12_cid record as the ordinary one that OpenSSL expects; undefined when it is not for it. To be called when there are keys. */
  inbound(record: Uint8Array): Uint8Array | undefined {
    if (!this.isNamedInward || !equalBytes(cidOf(record, this.own.length), this.own)) return undefined;
    const keys = this.#ensureKeys();
    const opened = keys && openCid(keys.read, this.own, record);
    if (keys === undefined || opened === undefined) return undefined;
    const number = opened.numbering.subarray(2);
    if (isNewer(number, this.#newest)) {
      this.#newest = number;
      this.#options.onNewer?.();
    }
    switch (opened.type) {
      case contentTypes.alert:
      case contentTypes.handshake:
      case contentTypes.applicationData:
        return sealPlain(keys.read, opened);
      case contentTypes.returnRoutabilityCheck:
        if (this.checksPaths) this.#takePathMessage(opened);
        return undefined;
      default:
        return undefined;
    }
  }

  /** The keys are not left in memory. */
  forget(): void {
    for (const { key, salt } of this.#keys === undefined ? [] : [this.#keys.read, this.#keys.write]) {
      key.fill(0);
      salt.fill(0);
    }
    this.#keys = undefined;
  }

  /** A message of an unknown type, path_drop included, is ignored. */
  #takePathMessage({ content, numbering }: OpenRecord): void {
    if (content.length !== 1 + cookieBytes) return;
    const cookie = content.slice(1);
    if (content[0] === pathMessages.response) this.#options.onPathResponse?.(cookie);
    // OpenSSL's window against repetitions does not see these: only a newer one is worth an answer.
    if (content[0] !== pathMessages.challenge || !isNewer(numbering.subarray(2), this.#newestChallenge)) return;
    this.#newestChallenge = numbering.subarray(2);
    this.#reply = concatBytes(Uint8Array.of(pathMessages.response), cookie);
  }

  #ensureKeys(): { readonly read: RecordKeys; readonly write: RecordKeys } | undefined {
    if (this.#keys !== undefined) return this.#keys;
    const secrets = this.#secrets();
    if (secrets === undefined) return undefined;
    const { client, server } = deriveKeys(secrets.aead, secrets);
    secrets.masterSecret.fill(0);
    this.#keys = this.#role === "client" ? { read: server, write: client } : { read: client, write: server };
    return this.#keys;
  }
}

/** The CID in a tls12_cid record; records do not say how long it is. */
export function cidOf(record: Uint8Array, cidBytes: number): Uint8Array {
  return record.subarray(recordHeaderBytes - 2, recordHeaderBytes - 2 + cidBytes);
}

function epochOf(record: Uint8Array): number {
  return ((record[3] ?? 0) << 8) | (record[4] ?? 0);
}

function isNewer(number: Uint8Array, than: Uint8Array): boolean {
  return Buffer.compare(number, than) > 0;
}
