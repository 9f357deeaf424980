// One SSL_CTX from settings: suites, groups, signature algorithms, certificate and key, whom to ask for.
// Everything is set explicitly, so that no default of a Node or distribution build decides about security.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { pemCertificates } from "../certificates.ts";
import { constants, type OpenSsl, type Pointer } from "./openssl.ts";
import type { DtlsCipherSuite, DtlsIdentity } from "./types.ts";

interface SuiteFacts {
  readonly authentication: "certificate" | "psk";
  /** OpenSSL counts an 8-byte tag as 64 bits of security, which only level 0 allows. */
  readonly needsSecurityLevel0: boolean;
}

export const suites: Readonly<Record<DtlsCipherSuite, SuiteFacts>> = {
  "ECDHE-ECDSA-AES128-GCM-SHA256": { authentication: "certificate", needsSecurityLevel0: false },
  "ECDHE-ECDSA-AES256-GCM-SHA384": { authentication: "certificate", needsSecurityLevel0: false },
  "ECDHE-ECDSA-AES128-CCM8": { authentication: "certificate", needsSecurityLevel0: true },
  "PSK-AES128-GCM-SHA256": { authentication: "psk", needsSecurityLevel0: false },
  "PSK-AES128-CCM8": { authentication: "psk", needsSecurityLevel0: true },
};

const defaultCertificateSuites: readonly DtlsCipherSuite[] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"];
const defaultPskSuites: readonly DtlsCipherSuite[] = ["PSK-AES128-GCM-SHA256"];

/** Level 0 would also admit weak curves and digests: these two lists stand in its place, at every level. */
const groups = "P-256";
const signatureAlgorithms = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";

/** The suites to offer: those configured, or the defaults, for the ways of authentication at hand. Throws DTLS_CONFIG. */
export function chooseSuites(
  configured: readonly DtlsCipherSuite[] | undefined,
  authentications: readonly SuiteFacts["authentication"][],
): readonly DtlsCipherSuite[] {
  const offered = configured ?? [...defaultCertificateSuites, ...defaultPskSuites];
  const chosen = offered.filter((suite) => suites[suite] !== undefined && authentications.includes(suites[suite].authentication));
  if (chosen.length === 0) {
    const detail = `no cipher suite of ${offered.join(", ") || "an empty list"} works with ${authentications.join(" or ") || "neither certificate nor PSK"}`;
    throw new SimwardError("DTLS_CONFIG", { detail });
  }
  return chosen;
}

export interface ContextOptions {
  readonly role: "client" | "server";
  readonly suites: readonly DtlsCipherSuite[];
  readonly identity?: DtlsIdentity | undefined;
  /** Whether the peer is asked for a certificate; the SslHooks judge it. */
  readonly peerCertificate: "none" | "request" | "require";
  /** Whose certificates a server says it accepts. */
  readonly acceptedIssuers?: readonly Uint8Array[];
}

/** The caller frees the SSL_CTX. Throws DTLS_CONFIG. */
export function createContext(openssl: OpenSsl, options: ContextOptions): Pointer {
  const { c, callbacks } = openssl;
  c.ERR_clear_error();
  const context = c.SSL_CTX_new(options.role === "client" ? c.DTLS_client_method() : c.DTLS_server_method());
  if (context === null) throw configError(openssl, "SSL_CTX_new");
  try {
    const must = (result: number, what: string): void => {
      if (result <= 0) throw configError(openssl, what);
    };
    const list = (command: number, text: string): void => must(c.SSL_CTX_ctrl(context, command, 0, utf8(`${text}\0`)), text);
    must(c.SSL_CTX_ctrl(context, constants.SSL_CTRL_SET_MIN_PROTO_VERSION, constants.DTLS1_2_VERSION, null), "DTLS 1.2");
    must(c.SSL_CTX_ctrl(context, constants.SSL_CTRL_SET_MAX_PROTO_VERSION, constants.DTLS1_2_VERSION, null), "DTLS 1.2");
    const level = options.suites.some((suite) => suites[suite].needsSecurityLevel0) ? 0 : 2;
    must(c.SSL_CTX_set_cipher_list(context, `${options.suites.join(":")}:@SECLEVEL=${level}`), options.suites.join(":"));
    list(constants.SSL_CTRL_SET_GROUPS_LIST, groups);
    list(constants.SSL_CTRL_SET_SIGALGS_LIST, signatureAlgorithms);
    c.SSL_CTX_ctrl(context, constants.SSL_CTRL_SET_MAX_CERT_LIST, limits.handshakeMessageMaxBytes, null);
    const flags =
      constants.SSL_OP_NO_QUERY_MTU |
      constants.SSL_OP_NO_TICKET |
      constants.SSL_OP_NO_COMPRESSION |
      // Means nothing with AEAD suites, but would be announced in both ClientHellos.
      constants.SSL_OP_NO_ENCRYPT_THEN_MAC |
      constants.SSL_OP_NO_RENEGOTIATION |
      (options.role === "server" ? constants.SSL_OP_CIPHER_SERVER_PREFERENCE | constants.SSL_OP_COOKIE_EXCHANGE : 0);
    c.SSL_CTX_set_options(context, flags);
    c.SSL_CTX_ctrl(context, constants.SSL_CTRL_SET_SESS_CACHE_MODE, constants.SSL_SESS_CACHE_OFF, null);
    const verifyMode = {
      none: constants.SSL_VERIFY_NONE,
      request: constants.SSL_VERIFY_PEER,
      require: constants.SSL_VERIFY_PEER | constants.SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    }[options.peerCertificate];
    c.SSL_CTX_set_verify(context, verifyMode, null);
    c.SSL_CTX_set_cert_verify_callback(context, callbacks.verify, null);
    if (options.suites.some((suite) => suites[suite].authentication === "psk")) {
      if (options.role === "client") c.SSL_CTX_set_psk_client_callback(context, callbacks.pskClient);
      else c.SSL_CTX_set_psk_server_callback(context, callbacks.pskServer);
    }
    if (options.role === "server") {
      c.SSL_CTX_set_cookie_generate_cb(context, callbacks.cookie);
      c.SSL_CTX_set_cookie_verify_cb(context, callbacks.checkCookie);
    }
    if (options.identity !== undefined) useIdentity(openssl, context, options.identity);
    for (const issuer of options.acceptedIssuers ?? []) {
      const x509 = openssl.certificateFromDer(issuer);
      c.SSL_CTX_add_client_CA(context, x509);
      c.X509_free(x509);
    }
    return context;
  } catch (error) {
    c.SSL_CTX_free(context);
    throw error;
  } finally {
    c.ERR_clear_error();
  }
}

function useIdentity(openssl: OpenSsl, context: Pointer, identity: DtlsIdentity): void {
  const { c } = openssl;
  const [leaf, ...issuers] = pemCertificates(identity.certificateChainPem);
  if (leaf === undefined) throw new SimwardError("DTLS_CONFIG", { detail: "the certificate chain holds no PEM certificate" });
  const key = readPrivateKey(identity.privateKeyPem);
  if (!fits(leaf, key))
    throw new SimwardError("DTLS_CONFIG", { detail: "the private key is not that of the first certificate of the chain" });
  const keyDer = new Uint8Array(key.export({ type: "sec1", format: "der" }));
  if (c.SSL_CTX_use_certificate_ASN1(context, leaf.length, leaf) <= 0) throw configError(openssl, "the certificate");
  for (const issuer of issuers) {
    const x509 = openssl.certificateFromDer(issuer);
    // With 1 as the third argument OpenSSL takes a reference of its own.
    const added = c.SSL_CTX_ctrl(context, constants.SSL_CTRL_CHAIN_CERT, 1, x509);
    c.X509_free(x509);
    if (added <= 0) throw configError(openssl, "a certificate of the chain");
  }
  if (
    c.SSL_CTX_use_PrivateKey_ASN1(constants.EVP_PKEY_EC, context, keyDer, keyDer.length) <= 0 ||
    c.SSL_CTX_check_private_key(context) <= 0
  )
    throw configError(openssl, "the private key");
}

function readPrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    // The cause of a key that cannot be read is a parser's, and holds nothing of the key.
    throw new SimwardError("DTLS_CONFIG", { detail: "the private key is not PEM, or is encrypted", cause });
  }
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new SimwardError("DTLS_CONFIG", { detail: "the private key is not a P-256 key, which the ECDSA cipher suites need" });
  return key;
}

function fits(certificate: Uint8Array, key: KeyObject): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(key);
  } catch (cause) {
    throw new SimwardError("DTLS_CONFIG", { detail: "the first certificate of the chain cannot be read", cause });
  }
}

function configError(openssl: OpenSsl, what: string): SimwardError {
  const queued = openssl.drainErrors();
  return new SimwardError("DTLS_CONFIG", {
    detail: `OpenSSL does not take ${what}: ${queued.map((e) => e.text).join("; ")}`,
    data: { queued },
  });
}

export const limits = {
  mtuBytes: 1200,
  /** OpenSSL's own least, and what still carries a ClientHello with a cookie unfragmented. */
  mtuMinBytes: 256,
  mtuMaxBytes: 16_384,
  handshakeTimeoutMs: 60_000,
  retransmitInitialMs: 1_000,
  idleTimeoutMs: 600_000,
  /** OpenSSL puts up to ten messages of this size together at a time, from fragments that nobody has authenticated yet. */
  handshakeMessageMaxBytes: 32_768,
  /** Associations of a server, those under way included. */
  associationsMax: 1_000,
} as const;

/** Refuses settings that OpenSSL would silently not take. Throws DTLS_CONFIG. */
export function checkLimits(options: { readonly port: number; readonly mtuBytes?: number; readonly retransmitInitialMs?: number }): void {
  const { port, mtuBytes = limits.mtuBytes, retransmitInitialMs = limits.retransmitInitialMs } = options;
  const refuse = (detail: string): never => {
    throw new SimwardError("DTLS_CONFIG", { detail });
  };
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse(`port ${port}`);
  if (!Number.isInteger(mtuBytes) || mtuBytes < limits.mtuMinBytes || mtuBytes > limits.mtuMaxBytes)
    refuse(`an MTU of ${mtuBytes} octets, allowed ${limits.mtuMinBytes} to ${limits.mtuMaxBytes}`);
  if (!(retransmitInitialMs >= 1 && retransmitInitialMs <= 60_000)) refuse(`a first retransmission after ${retransmitInitialMs} ms`);
}
