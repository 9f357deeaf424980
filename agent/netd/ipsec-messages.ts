// The tunnel that is wanted, as charon is told; and what charon tells of it, as the daemon is told. Pure.
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { TunnelWanted } from "./tunnel-arguments.ts";
import { listOf, sectionOf, textOf, type ViciMessage, type ViciTree } from "./vici.ts";

/** Packets of the tunnel itself: socket-default.fwmark of strongswan.conf for what leaves by UDP, set_mark_out for what the kernel's ESP sends. */
export const tunnelMark = "0x5157";
const namePrefix = "simward-";
export const childName = "fleet";

/** Strong, by AEAD first; the last ones for gateways of the decade before. */
const ikeProposals = [
  "aes256gcm16-prfsha384-ecp384",
  "aes128gcm16-prfsha256-ecp256-curve25519",
  "aes256-sha256-ecp384-ecp256-modp3072-modp2048",
];
const espProposals = [
  "aes256gcm16-ecp384-noesn",
  "aes128gcm16-ecp256-noesn",
  "aes256gcm16-aes128gcm16-noesn",
  "aes256-aes128-sha256-noesn",
];

/** Another name for whatever is different, keys and secrets too: what is up under this name is what is wanted. One gateway has many addresses. */
export function nameOf(wanted: TunnelWanted): string {
  const { limitSeconds: _limit, gateway: _gateway, ...told } = wanted;
  const text = JSON.stringify(told, (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
  );
  return `${namePrefix}${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

export function isOurs(name: string): boolean {
  return name.startsWith(namePrefix);
}

/** swanctl.conf(5), section connections. */
export function connectionOf(wanted: TunnelWanted): ViciMessage {
  const { auth, certificates, localId, eapIdentity } = wanted;
  const local: ViciMessage =
    auth === "cert" ? { auth: "pubkey", id: localId, certs: certificates } : { auth: "eap", id: localId, eap_id: eapIdentity ?? localId };
  return {
    version: "2",
    remote_addrs: [wanted.gateway],
    ...(wanted.virtualIps.length === 0 ? {} : { vips: wanted.virtualIps }),
    proposals: ikeProposals,
    local,
    remote: { auth: "pubkey", id: wanted.remoteId, cacerts: wanted.cas },
    mobike: "yes",
    // Many cellular networks pass UDP alone.
    encap: "yes",
    fragmentation: "yes",
    dpd_delay: `${wanted.dpdSeconds}s`,
    // Whether and when to try again is the daemon's.
    keyingtries: "1",
    rekey_time: `${wanted.rekeySeconds * 4}s`,
    reauth_time: "0s",
    send_cert: "always",
    children: {
      [childName]: {
        ...(wanted.localTs.length === 0 ? {} : { local_ts: wanted.localTs }),
        remote_ts: wanted.remoteTs,
        esp_proposals: espProposals,
        rekey_time: `${wanted.rekeySeconds}s`,
        start_action: "none",
        dpd_action: "clear",
        close_action: "none",
        set_mark_out: tunnelMark,
      },
    },
  };
}

/** What must be loaded beside the connection. */
export function secretsOf({ auth, key, secret, eapIdentity, localId }: TunnelWanted): readonly (readonly [string, ViciMessage])[] {
  if (auth === "cert") return key === undefined ? [] : [["load-key", { type: "any", data: key }]];
  return secret === undefined ? [] : [["load-shared", { type: "eap", data: secret, owners: [eapIdentity ?? localId] }]];
}

export interface ChildReport {
  readonly localTs: readonly string[];
  readonly remoteTs: readonly string[];
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** "AES_GCM_16-256" */
  readonly algorithms: string;
}

export interface SaReport {
  readonly name: string;
  /** ESTABLISHED, CONNECTING, …: as charon says. */
  readonly state: string;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly localId: string;
  readonly remoteId: string;
  readonly virtualIps: readonly string[];
  readonly establishedSeconds: number | undefined;
  readonly rekeySeconds: number | undefined;
  readonly algorithms: string;
  /** Installed, the newest last. */
  readonly children: readonly ChildReport[];
}

/** Of one list-sa event: the IKE_SAs that are the tunnel's. */
export function saReports(event: ViciTree): readonly SaReport[] {
  return Object.keys(event)
    .filter(isOurs)
    .flatMap((name) => {
      const sa = sectionOf(event, name);
      return sa === undefined ? [] : [saReport(name, sa)];
    });
}

function saReport(name: string, sa: ViciTree): SaReport {
  const children = sectionOf(sa, "child-sas");
  return {
    name,
    state: textOf(sa, "state") ?? "",
    localAddress: textOf(sa, "local-host") ?? "",
    remoteAddress: textOf(sa, "remote-host") ?? "",
    localId: textOf(sa, "local-id") ?? "",
    remoteId: textOf(sa, "remote-id") ?? "",
    virtualIps: listOf(sa, "local-vips"),
    establishedSeconds: countOf(sa, "established"),
    rekeySeconds: countOf(sa, "rekey-time"),
    algorithms: algorithmsOf(sa, ["encr-alg", "encr-keysize", "integ-alg", "prf-alg", "dh-group"]),
    children: Object.keys(children ?? {}).flatMap((key) => {
      const child = sectionOf(children, key);
      if (child === undefined || textOf(child, "state") !== "INSTALLED") return [];
      return [
        {
          localTs: listOf(child, "local-ts"),
          remoteTs: listOf(child, "remote-ts"),
          receivedBytes: countOf(child, "bytes-in") ?? 0,
          sentBytes: countOf(child, "bytes-out") ?? 0,
          algorithms: algorithmsOf(child, ["encr-alg", "encr-keysize", "integ-alg", "dh-group"]),
        },
      ];
    }),
  };
}

function countOf(tree: ViciTree, name: string): number | undefined {
  const text = textOf(tree, name);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function algorithmsOf(tree: ViciTree, names: readonly string[]): string {
  return names.flatMap((name) => textOf(tree, name) ?? []).join("-");
}

/** The name servers in a file that charon's plugin `resolve` has written, newest first. */
export function nameServersIn(text: string): readonly string[] {
  const servers = [...text.matchAll(/^nameserver (\S{1,45})(?:\s|$)/gm)].map((match) => match[1] ?? "");
  return [...new Set(servers.filter((one) => isIP(one) !== 0 && !one.includes("%")))].slice(0, 3);
}
