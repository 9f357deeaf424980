// The TLS extensions of Connection ID (RFC 9146 §3) and of the return routability check (RFC 9853), which OpenSSL does not know.
// It carries foreign extensions for whoever registers them: what is in them is written and read here.
import { concatBytes } from "../../../base/bytes.ts";
import { constants, type OpenSsl, type Pointer } from "../openssl.ts";

/** IANA TLS ExtensionType Values */
export const extensionTypes = { connectionId: 54, returnRoutabilityCheck: 61 } as const;

/** decode_error: a malformed extension ends the handshake (RFC 5246 §7.2.2). */
export const decodeErrorAlert = 50;

/** ConnectionId: opaque cid<0..2^8-1> */
export function encodeConnectionId(cid: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(cid.length), cid);
}

/** Undefined when the octets are none. */
export function decodeConnectionId(content: Uint8Array): Uint8Array | undefined {
  return content.length > 0 && content[0] === content.length - 1 ? content.slice(1) : undefined;
}

/**
 * To be called before the first SSL of the context is made; what is sent and received then goes through SslHooks. Answers whether
 * OpenSSL took both: one that has come to own them refuses, and then there is no Connection ID of ours.
 */
export function registerExtensions({ c, callbacks }: OpenSsl, context: Pointer): boolean {
  const when =
    constants.SSL_EXT_DTLS_ONLY |
    constants.SSL_EXT_TLS1_2_AND_BELOW_ONLY |
    constants.SSL_EXT_CLIENT_HELLO |
    constants.SSL_EXT_TLS1_2_SERVER_HELLO;
  return Object.values(extensionTypes).every(
    (type) => c.SSL_CTX_add_custom_ext(context, type, when, callbacks.addExtension, null, null, callbacks.parseExtension, null) === 1,
  );
}
