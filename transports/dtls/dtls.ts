// The way in: DTLS 1.2 over the OpenSSL in Node. Loading this file loads nothing native; the first connect or listen does.
import { connectDtls } from "./client.ts";
import { loadOpenSsl } from "./openssl.ts";
import { listenDtls } from "./server.ts";
import type { Dtls } from "./types.ts";

export interface OpenDtlsOptions {
  /** Told once when Connection ID was asked for and this OpenSSL leaves no room for ours: everything then works without it. */
  readonly onNoConnectionId?: () => void;
}

/** Both methods throw OPENSSL_MISSING besides what the interface names. */
export function openDtls({ onNoConnectionId }: OpenDtlsOptions = {}): Dtls {
  let wasSaid = false;
  const sayOnce = (): void => {
    if (!wasSaid) onNoConnectionId?.();
    wasSaid = true;
  };
  return {
    connect: async (options) => connectDtls(await loadOpenSsl(), options, sayOnce),
    listen: async (options) => listenDtls(await loadOpenSsl(), options, sayOnce),
  };
}
