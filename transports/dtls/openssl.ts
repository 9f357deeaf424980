// The OpenSSL that Node itself carries, bound with koffi: the one table of symbols, the callbacks into JavaScript, the error queue.
// Everything here is synchronous and stays on the thread that loaded it; nothing else in simward knows of OpenSSL.
import type * as Koffi from "koffi";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";

/** An address in the process; null is NULL. */
export type Pointer = bigint;

interface CTypes {
  void: undefined;
  int: number;
  uint: number;
  long: number;
  u64: number | bigint;
  /** Any address, owned by whoever the OpenSSL manual says. */
  ptr: Pointer | null;
  /** A buffer of ours, for the length of the call. */
  bytes: Uint8Array | null;
  /** Either, where a control call means one thing or the other by its command. */
  mem: Uint8Array | Pointer | null;
  str: string | null;
}
type CName = keyof CTypes;

const cNames: Readonly<Record<CName, string>> = {
  void: "void",
  int: "int",
  uint: "unsigned int",
  long: "long",
  u64: "uint64_t",
  ptr: "void *",
  bytes: "uint8_t *",
  mem: "void *",
  str: "const char *",
};

interface Signature<R extends CName, A extends readonly CName[]> {
  readonly result: R;
  readonly args: A;
}

const fn = <R extends CName, const A extends readonly CName[]>(result: R, ...args: A): Signature<R, A> => ({ result, args });

/** Every symbol used, each probed at the start; all are present in Node 18 to 26, whether it links OpenSSL statically or dynamically. */
const signatures = {
  OpenSSL_version_num: fn("long"),
  ERR_clear_error: fn("void"),
  ERR_get_error: fn("u64"),
  ERR_error_string_n: fn("void", "u64", "bytes", "u64"),
  CRYPTO_free: fn("void", "ptr", "ptr", "int"),

  DTLS_client_method: fn("ptr"),
  DTLS_server_method: fn("ptr"),
  SSL_CTX_new: fn("ptr", "ptr"),
  SSL_CTX_free: fn("void", "ptr"),
  SSL_CTX_ctrl: fn("long", "ptr", "int", "long", "mem"),
  SSL_CTX_set_options: fn("u64", "ptr", "u64"),
  SSL_CTX_set_cipher_list: fn("int", "ptr", "str"),
  SSL_CTX_set_verify: fn("void", "ptr", "int", "ptr"),
  SSL_CTX_set_cert_verify_callback: fn("void", "ptr", "ptr", "ptr"),
  SSL_CTX_set_psk_client_callback: fn("void", "ptr", "ptr"),
  SSL_CTX_set_psk_server_callback: fn("void", "ptr", "ptr"),
  SSL_CTX_set_cookie_generate_cb: fn("void", "ptr", "ptr"),
  SSL_CTX_set_cookie_verify_cb: fn("void", "ptr", "ptr"),
  SSL_CTX_set_generate_session_id: fn("int", "ptr", "ptr"),
  SSL_CTX_set_session_id_context: fn("int", "ptr", "bytes", "uint"),
  SSL_CTX_use_certificate_ASN1: fn("int", "ptr", "int", "bytes"),
  SSL_CTX_use_PrivateKey_ASN1: fn("int", "int", "ptr", "bytes", "long"),
  SSL_CTX_check_private_key: fn("int", "ptr"),
  SSL_CTX_add_client_CA: fn("int", "ptr", "ptr"),
  SSL_CTX_add_custom_ext: fn("int", "ptr", "uint", "uint", "ptr", "ptr", "ptr", "ptr", "ptr"),

  SSL_new: fn("ptr", "ptr"),
  SSL_free: fn("void", "ptr"),
  SSL_ctrl: fn("long", "ptr", "int", "long", "mem"),
  SSL_set_bio: fn("void", "ptr", "ptr", "ptr"),
  SSL_set_connect_state: fn("void", "ptr"),
  SSL_set_accept_state: fn("void", "ptr"),
  SSL_do_handshake: fn("int", "ptr"),
  SSL_read: fn("int", "ptr", "bytes", "int"),
  SSL_write: fn("int", "ptr", "bytes", "int"),
  SSL_shutdown: fn("int", "ptr"),
  SSL_set_shutdown: fn("void", "ptr", "int"),
  SSL_get_error: fn("int", "ptr", "int"),
  SSL_get_current_cipher: fn("ptr", "ptr"),
  SSL_get_pending_cipher: fn("ptr", "ptr"),
  SSL_CIPHER_get_name: fn("str", "ptr"),
  SSL_session_reused: fn("int", "ptr"),
  SSL_get_session: fn("ptr", "ptr"),
  SSL_get1_session: fn("ptr", "ptr"),
  SSL_set_session: fn("int", "ptr", "ptr"),
  SSL_get1_peer_certificate: fn("ptr", "ptr"),
  SSL_get_peer_cert_chain: fn("ptr", "ptr"),
  SSL_get_psk_identity: fn("str", "ptr"),
  SSL_get_client_random: fn("u64", "ptr", "bytes", "u64"),
  SSL_get_server_random: fn("u64", "ptr", "bytes", "u64"),
  SSL_get_ex_data_X509_STORE_CTX_idx: fn("int"),
  DTLS_set_timer_cb: fn("void", "ptr", "ptr"),
  DTLS_get_data_mtu: fn("u64", "ptr"),
  DTLSv1_listen: fn("int", "ptr", "ptr"),

  SSL_SESSION_free: fn("void", "ptr"),
  SSL_SESSION_is_resumable: fn("int", "ptr"),
  SSL_SESSION_get_master_key: fn("u64", "ptr", "bytes", "u64"),
  i2d_SSL_SESSION: fn("int", "ptr", "bytes"),
  d2i_SSL_SESSION: fn("ptr", "ptr", "bytes", "long"),

  BIO_new: fn("ptr", "ptr"),
  BIO_free: fn("int", "ptr"),
  BIO_s_mem: fn("ptr"),
  BIO_ctrl: fn("long", "ptr", "int", "long", "ptr"),
  BIO_read: fn("int", "ptr", "bytes", "int"),
  BIO_write: fn("int", "ptr", "bytes", "int"),
  BIO_ADDR_new: fn("ptr"),
  BIO_ADDR_free: fn("void", "ptr"),

  d2i_X509: fn("ptr", "ptr", "bytes", "long"),
  i2d_X509: fn("int", "ptr", "bytes"),
  X509_free: fn("void", "ptr"),
  X509_STORE_CTX_get_ex_data: fn("ptr", "ptr", "int"),
  X509_STORE_CTX_get0_cert: fn("ptr", "ptr"),
  X509_STORE_CTX_get0_untrusted: fn("ptr", "ptr"),
  X509_STORE_CTX_set_error: fn("void", "ptr", "int"),
  OPENSSL_sk_num: fn("int", "ptr"),
  OPENSSL_sk_value: fn("ptr", "ptr", "int"),
} as const satisfies Record<string, Signature<CName, readonly CName[]>>;

type Native<S> =
  S extends Signature<infer R, infer A> ? (...args: { [K in keyof A]: A[K] extends CName ? CTypes[A[K]] : never }) => CTypes[R] : never;
export type Symbols = { readonly [K in keyof typeof signatures]: Native<(typeof signatures)[K]> };

/** What OpenSSL asks of the owner of one SSL while a call on it runs. None may throw: what is thrown is kept and the answer is "no". */
export interface SslHooks {
  /** The chain as presented, leaf first, DER. Answers 0 or an X509_V_ERR_ number, which decides the alert. */
  verify?(presented: readonly Uint8Array[]): number;
  pskClient?(): { readonly identity: string; readonly key: Uint8Array } | undefined;
  pskServer?(identity: string): Uint8Array | undefined;
  /** Octets that only the address asking can know. */
  cookie?(): Uint8Array;
  checkCookie?(cookie: Uint8Array): boolean;
  /** The next retransmission timeout; 0 stands for "none before". */
  nextTimeoutUs?(previousUs: number): number;
  /** What goes into an extension registered by SSL_CTX_add_custom_ext; undefined leaves it out. */
  extension?(type: number): Uint8Array | undefined;
  /** What the peer put into one; answers the alert to refuse it with. */
  takeExtension?(type: number, content: Uint8Array): number | undefined;
  /** Something was thrown in one of the above. */
  thrown(error: unknown): void;
}

/** One entry of OpenSSL's error queue. Decisions rest on the numbers; the text is for people and differs between versions. */
export interface QueuedError {
  readonly library: number;
  readonly reason: number;
  readonly text: string;
}

export interface OpenSsl {
  readonly c: Symbols;
  /** Addresses of the callbacks, registered once for the life of the process: they outlive every SSL_CTX that uses them. */
  readonly callbacks: Readonly<
    Record<
      "verify" | "pskClient" | "pskServer" | "cookie" | "checkCookie" | "nextTimeout" | "sessionId" | "addExtension" | "parseExtension",
      Pointer
    >
  >;
  /** Whom to ask on behalf of an SSL; removed before it is freed. */
  readonly hooks: Map<Pointer, SslHooks>;
  /** For SSL_read and BIO_read; its content is good until the next call. */
  readonly scratch: Uint8Array;
  /** Empties this thread's queue, oldest first, so that no later user of OpenSSL, Node included, finds our errors in it. */
  drainErrors(): QueuedError[];
  certificateToDer(x509: Pointer): Uint8Array;
  /** The caller owns the X509. Throws DTLS_CONFIG. */
  certificateFromDer(der: Uint8Array): Pointer;
  sessionToDer(session: Pointer): Uint8Array;
  /** The caller owns the SSL_SESSION; undefined when the octets are none. */
  sessionFromDer(der: Uint8Array): Pointer | undefined;
  /** DER of a STACK_OF(X509). */
  stackToDer(stack: Pointer | null): Uint8Array[];
}

/** What loading needs of koffi, so that tests can stand in a Node without OpenSSL. */
export type KoffiModule = Pick<typeof Koffi, "load" | "proto" | "pointer" | "register" | "decode" | "encode" | "address" | "sizeof">;

/** As hard to guess as the keys of the session. */
const sessionIdBytes = 16;

let shared: Promise<OpenSsl> | undefined;

/** The process has one OpenSSL, so it is bound once, at the first use. Throws OPENSSL_MISSING. */
export function loadOpenSsl(): Promise<OpenSsl> {
  shared ??= import("koffi").then(
    (koffi) => bindOpenSsl(koffi.default),
    (cause) => {
      throw new SimwardError("OPENSSL_MISSING", { detail: "koffi cannot be loaded", cause });
    },
  );
  return shared;
}

/** Probes every symbol, then registers the callbacks. Throws OPENSSL_MISSING naming what is not there. */
export function bindOpenSsl(koffi: KoffiModule): OpenSsl {
  const c = bindSymbols(koffi);
  const hooks = new Map<Pointer, SslHooks>();
  // No Buffer: slices of it must be copies.
  const scratch = new Uint8Array(17 * 1024);
  // Likewise of its own: its address is handed out.
  const extensionContent = Buffer.allocUnsafeSlow(512);
  const exDataIndex = c.SSL_get_ex_data_X509_STORE_CTX_idx();
  const pointerBytes = koffi.sizeof("void *");

  /** Runs `use` with a `T **` whose target begins at `octets`, as the i2d_ and d2i_ functions want it. */
  const withPointerTo = <T>(octets: Uint8Array, use: (pointerToPointer: Uint8Array) => T): T => {
    const target = koffi.address(octets);
    const cell = Buffer.allocUnsafeSlow(pointerBytes);
    if (pointerBytes === 8) cell.writeBigUInt64LE(target);
    else cell.writeUInt32LE(Number(target));
    return use(cell);
  };
  const toDer = (length: number, write: (out: Uint8Array) => number): Uint8Array => {
    if (length <= 0) return new Uint8Array(0);
    const out = Buffer.allocUnsafeSlow(length);
    withPointerTo(out, write);
    return new Uint8Array(out);
  };
  const fromDer = (der: Uint8Array, read: (at: Uint8Array, length: number) => Pointer | null): Pointer | undefined => {
    // A copy of its own: a view into a pool or a small on-heap array has no address that lasts.
    const stable = Buffer.allocUnsafeSlow(Math.max(der.length, 128));
    stable.set(der);
    const made = withPointerTo(stable, (at) => read(at, der.length));
    if (made === null) c.ERR_clear_error();
    return made ?? undefined;
  };
  const bytesAt = (pointer: Pointer, length: number): Uint8Array => Uint8Array.from(koffi.decode(pointer, "uint8_t", length) as Uint8Array);
  const writeAt = (pointer: Pointer, octets: Uint8Array): void => koffi.encode(pointer, "uint8_t", octets, octets.length);

  const certificateToDer = (x509: Pointer): Uint8Array => toDer(c.i2d_X509(x509, null), (out) => c.i2d_X509(x509, out));
  const stackToDer = (stack: Pointer | null): Uint8Array[] => {
    const count = stack === null ? 0 : c.OPENSSL_sk_num(stack);
    const out: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const x509 = c.OPENSSL_sk_value(stack, i);
      if (x509 !== null) out.push(certificateToDer(x509));
    }
    return out;
  };

  /** Runs a hook of the SSL's owner; an exception must never cross into C, where it would silently become 0. */
  const ask = (ssl: Pointer | null, no: number, answer: (hooks: SslHooks) => number): number => {
    const owner = ssl === null ? undefined : hooks.get(ssl);
    if (owner === undefined) return no;
    try {
      return answer(owner);
    } catch (error) {
      owner.thrown(error);
      return no;
    }
  };
  const register = (result: string, args: readonly string[], callback: (...args: never[]) => number): Pointer =>
    koffi.register(callback, koffi.pointer(koffi.proto(result, [...args])));

  const callbacks = {
    verify: register("int", ["void *", "void *"], (storeContext: Pointer) =>
      ask(c.X509_STORE_CTX_get_ex_data(storeContext, exDataIndex), 0, (owner) => {
        const refused = x509Errors.applicationVerification;
        c.X509_STORE_CTX_set_error(storeContext, refused);
        const code = owner.verify?.(stackToDer(c.X509_STORE_CTX_get0_untrusted(storeContext))) ?? refused;
        c.X509_STORE_CTX_set_error(storeContext, code);
        return code === 0 ? 1 : 0;
      }),
    ),
    pskClient: register(
      "unsigned int",
      ["void *", "void *", "void *", "unsigned int", "void *", "unsigned int"],
      (ssl: Pointer, _hint: Pointer | null, identityAt: Pointer, identityMax: number, keyAt: Pointer, keyMax: number) =>
        ask(ssl, 0, (owner) => {
          const psk = owner.pskClient?.();
          if (psk === undefined) return 0;
          const identity = Buffer.from(`${psk.identity}\0`, "utf8");
          if (identity.length > identityMax || psk.key.length > keyMax) return 0;
          writeAt(identityAt, identity);
          writeAt(keyAt, psk.key);
          return psk.key.length;
        }),
    ),
    pskServer: register(
      "unsigned int",
      ["void *", "const char *", "void *", "unsigned int"],
      (ssl: Pointer, identity: string | null, keyAt: Pointer, keyMax: number) =>
        ask(ssl, 0, (owner) => {
          const key = identity === null ? undefined : owner.pskServer?.(identity);
          if (key === undefined || key.length > keyMax) return 0;
          writeAt(keyAt, key);
          return key.length;
        }),
    ),
    cookie: register("int", ["void *", "void *", "void *"], (ssl: Pointer, cookieAt: Pointer, lengthAt: Pointer) =>
      ask(ssl, 0, (owner) => {
        const cookie = owner.cookie?.();
        if (cookie === undefined) return 0;
        writeAt(cookieAt, cookie);
        koffi.encode(lengthAt, "unsigned int", cookie.length);
        return 1;
      }),
    ),
    checkCookie: register("int", ["void *", "void *", "unsigned int"], (ssl: Pointer, cookieAt: Pointer, length: number) =>
      ask(ssl, 0, (owner) => (length > 0 && owner.checkCookie?.(bytesAt(cookieAt, length)) === true ? 1 : 0)),
    ),
    nextTimeout: register("unsigned int", ["void *", "unsigned int"], (ssl: Pointer, previousUs: number) =>
      ask(ssl, 1_000_000, (owner) => owner.nextTimeoutUs?.(previousUs) ?? 1_000_000),
    ),
    // OpenSSL's own are of 32 octets, and a resumption carries them three times.
    sessionId: register("int", ["void *", "void *", "void *"], (_ssl: Pointer, idAt: Pointer, lengthAt: Pointer) => {
      writeAt(idAt, systemRandom.bytes(sessionIdBytes));
      koffi.encode(lengthAt, "unsigned int", sessionIdBytes);
      return 1;
    }),
    addExtension: register(
      "int",
      ["void *", "unsigned int", "unsigned int", "void *", "void *", "void *", "size_t", "void *", "void *"],
      (ssl: Pointer, type: number, _context: number, contentAt: Pointer, lengthAt: Pointer) =>
        // 0 leaves it out, 1 sends it.
        ask(ssl, 0, (owner) => {
          const content = owner.extension?.(type);
          if (content === undefined || content.length > extensionContent.length) return 0;
          // OpenSSL copies it before anything else runs.
          extensionContent.set(content);
          koffi.encode(contentAt, "void *", koffi.address(extensionContent));
          koffi.encode(lengthAt, "size_t", content.length);
          return 1;
        }),
    ),
    parseExtension: register(
      "int",
      ["void *", "unsigned int", "unsigned int", "void *", "size_t", "void *", "size_t", "void *", "void *"],
      (
        ssl: Pointer,
        type: number,
        _context: number,
        contentAt: Pointer | null,
        length: number | bigint,
        _x: Pointer,
        _i: number,
        alertAt: Pointer,
      ) =>
        ask(ssl, 0, (owner) => {
          const content = contentAt === null || Number(length) === 0 ? new Uint8Array(0) : bytesAt(contentAt, Number(length));
          const alert = owner.takeExtension?.(type, content);
          if (alert === undefined) return 1;
          koffi.encode(alertAt, "int", alert);
          return 0;
        }),
    ),
  };

  return {
    c,
    callbacks,
    hooks,
    scratch,
    certificateToDer,
    stackToDer,
    drainErrors() {
      const out: QueuedError[] = [];
      const text = Buffer.alloc(256);
      for (let code = BigInt(c.ERR_get_error()); code !== 0n; code = BigInt(c.ERR_get_error())) {
        c.ERR_error_string_n(code, text, text.length);
        const end = text.indexOf(0);
        // ERR_GET_LIB and ERR_GET_REASON of OpenSSL 3, which are macros.
        out.push({ library: Number((code >> 23n) & 0xffn), reason: Number(code & 0x7fffffn), text: text.toString("latin1", 0, end) });
      }
      return out;
    },
    certificateFromDer(der) {
      const x509 = fromDer(der, (at, length) => c.d2i_X509(null, at, length));
      if (x509 === undefined) throw new SimwardError("DTLS_CONFIG", { detail: `${der.length} octets that are no X.509 certificate` });
      return x509;
    },
    sessionToDer: (session) => toDer(c.i2d_SSL_SESSION(session, null), (out) => c.i2d_SSL_SESSION(session, out)),
    sessionFromDer: (der) => fromDer(der, (at, length) => c.d2i_SSL_SESSION(null, at, length)),
  };
}

function bindSymbols(koffi: KoffiModule): Symbols {
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load(null);
  } catch (cause) {
    throw new SimwardError("OPENSSL_MISSING", { detail: "the process cannot be searched for symbols", cause });
  }
  const missing: string[] = [];
  const bound: Record<string, unknown> = {};
  for (const [name, signature] of Object.entries<Signature<CName, readonly CName[]>>(signatures)) {
    try {
      bound[name] = library.func(
        name,
        cNames[signature.result],
        signature.args.map((arg) => cNames[arg]),
      );
    } catch {
      missing.push(name);
    }
  }
  if (missing.length > 0)
    throw new SimwardError("OPENSSL_MISSING", { detail: `Node ${process.version} lacks ${missing.join(", ")}`, data: { missing } });
  return bound as Symbols;
}

/** X509_V_ERR_ numbers that decide which alert the peer is sent. */
export const x509Errors = {
  notYetValid: 9,
  expired: 10,
  unableToGetIssuer: 20,
  applicationVerification: 50,
  hostnameMismatch: 62,
} as const;

/** Numbers of ssl.h, bio.h and their like that exist only as macros. */
export const constants = {
  SSL_CTRL_SET_MTU: 17,
  SSL_CTRL_SET_SESS_CACHE_SIZE: 42,
  SSL_CTRL_SET_SESS_CACHE_MODE: 44,
  SSL_CTRL_SET_MAX_CERT_LIST: 51,
  SSL_CTRL_SET_TLSEXT_HOSTNAME: 55,
  SSL_CTRL_GET_TIMEOUT: 73,
  SSL_CTRL_HANDLE_TIMEOUT: 74,
  SSL_CTRL_CHAIN_CERT: 89,
  SSL_CTRL_SET_GROUPS_LIST: 92,
  SSL_CTRL_SET_SIGALGS_LIST: 98,
  SSL_CTRL_SET_MIN_PROTO_VERSION: 123,
  SSL_CTRL_SET_MAX_PROTO_VERSION: 124,
  SSL_OP_NO_QUERY_MTU: 1 << 12,
  SSL_OP_COOKIE_EXCHANGE: 1 << 13,
  SSL_OP_NO_TICKET: 1 << 14,
  SSL_OP_NO_COMPRESSION: 1 << 17,
  SSL_OP_NO_ENCRYPT_THEN_MAC: 1 << 19,
  SSL_OP_CIPHER_SERVER_PREFERENCE: 1 << 22,
  SSL_OP_NO_RENEGOTIATION: 1 << 30,
  SSL_SESS_CACHE_OFF: 0,
  SSL_SESS_CACHE_SERVER: 2,
  SSL_VERIFY_NONE: 0,
  SSL_VERIFY_PEER: 1,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT: 2,
  SSL_ERROR_WANT_READ: 2,
  SSL_ERROR_WANT_WRITE: 3,
  SSL_ERROR_ZERO_RETURN: 6,
  SSL_SENT_SHUTDOWN: 1,
  SSL_RECEIVED_SHUTDOWN: 2,
  BIO_CTRL_RESET: 1,
  BIO_CTRL_PENDING: 10,
  BIO_C_SET_BUF_MEM_EOF_RETURN: 130,
  SSL_EXT_DTLS_ONLY: 0x02,
  SSL_EXT_TLS1_2_AND_BELOW_ONLY: 0x10,
  SSL_EXT_CLIENT_HELLO: 0x80,
  SSL_EXT_TLS1_2_SERVER_HELLO: 0x100,
  EVP_PKEY_EC: 408,
  DTLS1_2_VERSION: 0xfefd,
} as const;
