// The fleet's VPN gateway: strongSwan's charon with its own /run and /etc/swanctl (in a mount namespace of this process alone), and certificates made
// for this run. ESP is strongSwan's own (kernel-libipsec), so that kernels without it do too.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { newKey, toPem } from "../pki/pki.ts";
import {
  authorityKeyIdentifier,
  basicConstraints,
  buildCertificate,
  type Extension,
  encodeName,
  extKeyUsage,
  keyIdentifierOf,
  keyUsage,
  type Name,
  spkiOf,
  subjectAltName,
  subjectKeyIdentifier,
} from "../pki/x509.ts";
import { system } from "./namespaces.ts";
import { addresses, names } from "./plan.ts";

/** What the vehicle needs; PEM files, and the EAP password as a file. */
export interface VpnFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Of a certificate that ran out yesterday, with the same key. */
  readonly expiredCertificate: string;
  readonly vehicleId: string;
  readonly eapId: string;
  readonly eapPassword: string;
}

export interface Vpn {
  readonly files: VpnFiles;
  /** Security associations, as swanctl lists them. */
  list(): string;
  stop(): Promise<void>;
}

const charon = "/usr/sbin/charon-systemd";
const dayMs = 86_400_000;
const vehicleId = "vehicle.simward.test";
const eapId = "vehicle";
const startMs = 10_000;

/** Files are made once: a gateway that is stopped and started again has the same identity. */
let made: { readonly dir: string; readonly files: VpnFiles } | undefined;

/** Call it in a mount namespace of its own. Throws SIM_OPTION. */
export async function startVpn(dir: string, clock: Clock): Promise<Vpn> {
  const run = join(dir, "run");
  const swanctl = join(dir, "swanctl");
  if (made?.dir !== dir) {
    made = { dir, files: makeFiles(dir, swanctl, clock) };
    mkdirSync(run, { recursive: true });
    writeFileSync(join(swanctl, "strongswan.conf"), strongswanConf);
    system("mount", ["--bind", swanctl, "/etc/swanctl"]);
    // Last: what is under the machine's own /run is hidden by it.
    system("mount", ["--bind", run, "/run"]);
  }
  const child = spawn(charon, [], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, STRONGSWAN_CONF: "/etc/swanctl/strongswan.conf" },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (octets: Buffer) => (said = (said + octets).slice(-20_000)));
  let isOver = false;
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  }).then(() => {
    isOver = true;
  });
  const untilMs = clock.monotonicMs() + startMs;
  for (;;) {
    try {
      system("swanctl", ["--load-all"]);
      break;
    } catch (error) {
      if (isOver || clock.monotonicMs() > untilMs)
        throw new SimwardError("SIM_OPTION", { detail: `gateway: charon: ${said.trim().slice(-1_000)}`, cause: error });
      await clock.sleep(100);
    }
  }
  return {
    files: made.files,
    list: () => system("swanctl", ["--list-sas"]),
    async stop() {
      child.kill("SIGTERM");
      const cancel = clock.after(5_000, () => child.kill("SIGKILL"));
      await ended;
      cancel();
    },
  };
}

function makeFiles(dir: string, swanctl: string, clock: Clock): VpnFiles {
  for (const folder of ["x509", "x509ca", "private"]) mkdirSync(join(swanctl, folder), { recursive: true });
  const key = { ca: newKey("prime256v1"), gateway: newKey("prime256v1"), vehicle: newKey("prime256v1") };
  const caId = keyIdentifierOf(spkiOf(key.ca));
  const nameOf = (name: string): Name => [
    ["O", "Simward virtual fleet"],
    ["CN", name],
  ];
  let serial = 1;
  const issue = (name: string, subject: keyof typeof key, extensions: readonly Extension[], endMs = 30 * dayMs): string =>
    toPem(
      buildCertificate(
        {
          serialNumber: Uint8Array.of(serial++),
          issuer: encodeName(nameOf("VPN CA")),
          subject: encodeName(nameOf(name)),
          notBeforeMs: clock.now() - 2 * dayMs,
          notAfterMs: clock.now() + endMs,
          subjectPublicKeyInfo: spkiOf(key[subject]),
          extensions: [subjectKeyIdentifier(keyIdentifierOf(spkiOf(key[subject]))), authorityKeyIdentifier(caId), ...extensions],
        },
        key.ca,
      ),
    );
  const end = (host: string, purpose: "serverAuth" | "clientAuth"): Extension[] => [
    keyUsage("digitalSignature"),
    extKeyUsage(false, purpose),
    subjectAltName([host]),
  ];
  const write = (path: string, text: string): string => {
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const pem = (which: keyof typeof key): string => String(key[which].export({ format: "pem", type: "pkcs8" }));
  const ca = issue("VPN CA", "ca", [basicConstraints(), keyUsage("keyCertSign", "cRLSign")]);
  write(join(swanctl, "x509ca/ca.pem"), ca);
  write(join(swanctl, "x509/gateway.pem"), issue(names.vpn, "gateway", end(names.vpn, "serverAuth")));
  write(join(swanctl, "private/gateway.pem"), pem("gateway"));
  const password = toHex(systemRandom.bytes(12));
  write(join(swanctl, "swanctl.conf"), swanctlConf(password));
  return {
    ca: write(join(dir, "ca.pem"), ca),
    certificate: write(join(dir, "vehicle.pem"), issue(vehicleId, "vehicle", end(vehicleId, "clientAuth"))),
    expiredCertificate: write(join(dir, "vehicle-expired.pem"), issue(vehicleId, "vehicle", end(vehicleId, "clientAuth"), -dayMs)),
    key: write(join(dir, "vehicle.key"), pem("vehicle")),
    vehicleId,
    eapId,
    eapPassword: write(join(dir, "vehicle.eap"), password),
  };
}

const strongswanConf = `charon-systemd {
  load = random nonce drbg aes sha1 sha2 hmac kdf gcm md4 openssl x509 constraints pubkey pkcs1 pkcs8 pem revocation eap-identity eap-mschapv2 socket-default kernel-libipsec kernel-netlink vici
  install_routes = yes
  journal { default = -1 }
  syslog { daemon { default = -1 } }
  filelog { stdout { default = 1 flush_line = yes } }
  plugins { kernel-libipsec { allow_peer_ts = yes } }
}
`;

function swanctlConf(password: string): string {
  const common = (name: string, remote: string): string => `  ${name} {
    version = 2
    local_addrs = ${addresses.vpn.v4}
    pools = fleet
    dpd_delay = 10s
    local { auth = pubkey
      certs = gateway.pem
      id = ${names.vpn} }
    remote { ${remote} }
    children { fleet { local_ts = ${addresses.insideNet}
        start_action = none } }
  }
`;
  return `connections {
${common("certificate", "auth = pubkey\n      cacerts = ca.pem")}${common("eap", "auth = eap-mschapv2\n      eap_id = %any")}}
secrets { eap-vehicle { id = ${eapId}
    secret = ${password} } }
pools { fleet { addrs = ${addresses.vpnPool}
    dns = ${addresses.inside} } }
`;
}
