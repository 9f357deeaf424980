// Where an eIM is and whom to believe there: EimConfigurationData of the card, completed by the configuration's [[eim.peer]] (SGP.32 §3.1.2, §4.3).
import { SimwardError } from "../../base/errors.ts";
import type { EimConfigurationData } from "../messages/eim-config.ts";
import { defaultCompat, type EimPeer, type EsipaCompat } from "../options.ts";
import type { EimEndpoint, TlsTrust } from "../ports.ts";
import { type BindingName, bindingNames, schemeOf } from "./bindings.ts";

export type EsipaScheme = "coaps" | "https";

/** One binding and where it leads. */
export interface AccessBinding {
  readonly name: BindingName;
  readonly scheme: EsipaScheme;
  readonly endpoint: EimEndpoint;
}

export interface EimAccess extends AccessBinding {
  readonly compat: EsipaCompat;
  /** In order of preference; the first is this one. */
  readonly bindings: readonly AccessBinding[];
}

export interface SchemeChoice {
  /** Those a transport is there for. */
  readonly available: readonly EsipaScheme[];
  readonly prefer: BindingName;
}

const defaultPorts: Readonly<Record<EsipaScheme, number>> = { coaps: 5684, https: 443 };
const retrievalBit = { coaps: "eimRetrieveCoaps", https: "eimRetrieveHttps" } as const satisfies Readonly<Record<EsipaScheme, string>>;

/** Throws EIM_NO_ADDRESS, EIM_NO_PROTOCOL, EIM_NO_TRUST: an eIM is reached as configured or not at all. */
export function endpointOf(config: EimConfigurationData, peer: EimPeer | undefined, schemes: SchemeChoice): EimAccess {
  const compat = compatOf(peer);
  const names = chooseBindings(config, peer, compat, schemes);
  const { host, port } = addressOf(config, peer);
  const trust = trustOf(config, peer);
  const { eimId } = config;
  const { adminProtocol } = compat;
  const bindings = names.map((name): AccessBinding => {
    const scheme = schemeOf(name);
    const serverName = peer?.serverName ?? host;
    return { name, scheme, endpoint: { eimId, host, port: port ?? defaultPorts[scheme], serverName, trust, adminProtocol } };
  });
  const [first] = bindings;
  if (first === undefined) throw new SimwardError("EIM_NO_PROTOCOL", { detail: eimId });
  return { ...first, compat, bindings };
}

export function compatOf(peer: EimPeer | undefined): EsipaCompat {
  return { ...defaultCompat, ...peer?.compat };
}

/** An eIM that comes to us, and how to know it: as whom its client certificate must show it. */
export interface EimAsClient {
  readonly eimId: string;
  readonly trust: Exclude<TlsTrust, { readonly kind: "psk" }>;
  /** Needed where what is trusted is an issuer, who signs for others too. */
  readonly name: string | undefined;
}

/** Undefined where nothing is known by which it could prove itself. */
export function asClient(config: EimConfigurationData, peer: EimPeer | undefined): EimAsClient | undefined {
  try {
    const trust = trustOf(config, peer);
    return trust.kind === "psk" ? undefined : { eimId: config.eimId, trust, name: nameOf(config, peer) };
  } catch {
    return undefined;
  }
}

function nameOf(config: EimConfigurationData, peer: EimPeer | undefined): string | undefined {
  try {
    return peer?.serverName ?? addressOf(config, peer).host;
  } catch {
    return undefined;
  }
}

/** At least one. An eIM serves ASN.1 and JSON alike (SGP.32 §6), so JSON stands behind HTTPS where ASN.1 is not served after all. */
function chooseBindings(
  config: EimConfigurationData,
  peer: EimPeer | undefined,
  compat: EsipaCompat,
  { available, prefer }: SchemeChoice,
): readonly BindingName[] {
  const offered = config.eimSupportedProtocol;
  const wanted = peer?.binding;
  const isOffered = (name: BindingName): boolean => {
    if (wanted !== undefined) return name === wanted;
    // A pre-shared key is for coaps, and JSON is written in the form of v1.2 only.
    if (peer?.trust?.kind === "psk" && name !== "coaps") return false;
    if (compat.esipaVersion === "1.0" && name === "https-json") return false;
    // An eIM that does not say what it speaks, or only that it is something of its own, is taken at the configuration's word.
    return offered === undefined || offered.includes(retrievalBit[schemeOf(name)]);
  };
  const usable = [...bindingNames]
    .sort((a, b) => Number(b === prefer) - Number(a === prefer))
    .filter((name) => available.includes(schemeOf(name)) && isOffered(name));
  if (usable.length > 0) return usable;
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
