// The way in: DTLS 1.2 over the OpenSSL in Node. Loading this file loads nothing native; the first connect or listen does.
import { connectDtls } from "./client.ts";
import { loadOpenSsl } from "./openssl.ts";
import { listenDtls } from "./server.ts";
import type { Dtls } from "./types.ts";

/** Both methods throw OPENSSL_MISSING besides what the interface names. */
export function openDtls(): Dtls {
  return {
    connect: async (options) => connectDtls(await loadOpenSsl(), options),
    listen: async (options) => listenDtls(await loadOpenSsl(), options),
  };
}
