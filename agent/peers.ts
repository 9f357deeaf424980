// [[eim.peer]] of the configuration as the IPA wants it; reads the certificates it names.
import { reasonOf, SimwardError } from "../base/errors.ts";
import { readSmallFile } from "../base/small-file.ts";
import type { EimPeer } from "../ipa/options.ts";
import type { TlsTrust } from "../ipa/ports.ts";
import type { EimPeerConfig } from "./config/schema.ts";

/** Throws CONFIG_READ, CONFIG_INVALID. */
export function peersOf(peers: readonly EimPeerConfig[]): Promise<EimPeer[]> {
  return Promise.all(
    peers.map(async (peer) => ({
      eimId: peer.eim_id,
      address: peer.address,
      serverName: peer.server_name,
      binding: peer.binding === "auto" ? undefined : peer.binding,
      trust: peer.ca === undefined ? undefined : await trustOf(peer.ca),
      pollIntervalMs: peer.poll_interval_seconds === undefined ? undefined : peer.poll_interval_seconds * 1_000,
      compat: {
        removeOwnResult: peer.remove_own_result,
        esipaVersion: peer.esipa_version,
        ackOnDataResponse: peer.ack_on_data_response,
        adminProtocol: peer.admin_protocol,
        minimizeEsipaBytes: peer.minimize_esipa_bytes,
      },
    })),
  );
}

async function trustOf(path: string): Promise<TlsTrust> {
  let pem: string;
  try {
    pem = await readSmallFile(path);
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `eim.peer.ca ${path}: ${reasonOf(error)}`, cause: error });
  }
  const certificates = [...pem.matchAll(/-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/g)].map(
    (match) => new Uint8Array(Buffer.from(match[1] ?? "", "base64")),
  );
  const [der] = certificates;
  if (der === undefined) throw new SimwardError("CONFIG_INVALID", { detail: `eim.peer.ca ${path} holds no PEM certificate` });
  return certificates.length === 1 ? { kind: "certificate", der } : { kind: "roots", certificates };
}
