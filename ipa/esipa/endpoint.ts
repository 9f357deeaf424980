// Where an eIM is and whom to believe there: EimConfigurationData of the card, completed by the configuration's [[eim.peer]] (SGP.32 §3.1.2, §4.3).
import { SimwardError } from "../../base/errors.ts";
import type { EimConfigurationData } from "../messages/eim-config.ts";
import { defaultCompat, type EimPeer, type EsipaCompat } from "../options.ts";
import type { EimEndpoint, TlsTrust } from "../ports.ts";

export type EsipaScheme = "coaps" | "https";

export interface EimAccess {
  readonly endpoint: EimEndpoint;
  readonly scheme: EsipaScheme;
  readonly compat: EsipaCompat;
}

export interface SchemeChoice {
  /** Those a transport is there for. */
  readonly available: readonly EsipaScheme[];
  readonly prefer: EsipaScheme;
}

const defaultPorts: Readonly<Record<EsipaScheme, number>> = { coaps: 5684, https: 443 };
const retrievalBit = { coaps: "eimRetrieveCoaps", https: "eimRetrieveHttps" } as const satisfies Readonly<Record<EsipaScheme, string>>;

/** Throws EIM_NO_ADDRESS, EIM_NO_PROTOCOL, EIM_NO_TRUST: an eIM is reached as configured or not at all. */
export function endpointOf(config: EimConfigurationData, peer: EimPeer | undefined, schemes: SchemeChoice): EimAccess {
  const scheme = chooseScheme(config, peer, schemes);
  const { host, port } = addressOf(config, peer);
  const compat = { ...defaultCompat, ...peer?.compat };
  return {
    scheme,
    compat,
    endpoint: {
      eimId: config.eimId,
      host,
      port: port ?? defaultPorts[scheme],
      serverName: peer?.serverName ?? host,
      trust: trustOf(config, peer),
      adminProtocol: compat.adminProtocol,
    },
  };
}

function chooseScheme(config: EimConfigurationData, peer: EimPeer | undefined, { available, prefer }: SchemeChoice): EsipaScheme {
  const offered = config.eimSupportedProtocol;
  const wanted = peer?.scheme;
  const usable = [...available]
    .sort((a, b) => Number(b === prefer) - Number(a === prefer))
    // An eIM that does not say what it speaks, or only that it is something of its own, is taken at the configuration's word.
    .filter((scheme) => wanted === scheme || (wanted === undefined && (offered === undefined || offered.includes(retrievalBit[scheme]))));
  const [scheme] = usable;
  if (scheme !== undefined) return scheme;
  throw new SimwardError("EIM_NO_PROTOCOL", {
    detail: `${config.eimId} offers ${offered?.join(", ") ?? "nothing named"}, configured ${wanted ?? "nothing"}, this IPA has ${available.join(", ")}`,
  });
}

function addressOf(config: EimConfigurationData, peer: EimPeer | undefined): { readonly host: string; readonly port: number | undefined } {
  const text = peer?.address ?? config.eimFqdn ?? (config.eimIdType === "eimIdTypeFqdn" ? config.eimId : undefined);
  if (text === undefined) throw new SimwardError("EIM_NO_ADDRESS", { detail: `${config.eimId}: no eimFqdn, and eimIdType is not FQDN` });
  const address = parseAddress(text);
  if (address === undefined)
    throw new SimwardError("EIM_NO_ADDRESS", { detail: `${config.eimId}: ${JSON.stringify(text)} is not host or host:port` });
  return address;
}

/** host, host:port, [v6], [v6]:port; no scheme, no path. */
export function parseAddress(text: string): { readonly host: string; readonly port: number | undefined } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\.?)(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  return port !== undefined && (port < 1 || port > 65_535) ? undefined : { host, port };
}

function trustOf(config: EimConfigurationData, peer: EimPeer | undefined): TlsTrust {
  if (peer?.trust?.kind === "psk") return peer.trust;
  const onCard = config.trustedPublicKeyDataTls;
  if (onCard !== undefined)
    return onCard.kind === "trustedCertificateTls" ? { kind: "certificate", der: onCard.value } : { kind: "publicKey", spki: onCard.value };
  if (peer?.trust !== undefined) return peer.trust;
  throw new SimwardError("EIM_NO_TRUST", { detail: config.eimId });
}
