// What scenarios of injection share: the vehicle's own certificate, its configuration, and how the eIM learns where it listens.
import type { World } from "./e2e.ts";
import { makeCertificate, oids } from "./test-pki.ts";

/** Self-signed; the eIM is told of it when the vehicle is commissioned. */
export const vehicleCertificate = makeCertificate({ name: "vehicle", altNames: ["127.0.0.1"], extendedKeyUsage: [oids.serverAuth] });

export const injectionCredentials: Readonly<Record<string, string>> = {
  "injection-certificate": vehicleCertificate.pem,
  "injection-key": vehicleCertificate.privateKeyPem,
};

/** [injection] on loopback, on ports that the system chooses. */
export function injectionConfig(more = "", ports = "coaps_port = 0\nhttps_port = 0\n"): string {
  const credentials = 'certificate_credential = "injection-certificate"\nkey_credential = "injection-key"\n';
  return `[injection]\nenabled = true\nlisten = ["127.0.0.1"]\n${ports}${credentials}${more}`;
}

/** Tells the eIM where the vehicle listens, once it does. */
export async function meetForInjection({ event, eim, vehicle }: World): Promise<void> {
  const at = async (scheme: string): Promise<string> => {
    const { port } = await event("injection.listening", (one) => one.scheme === scheme);
    return `127.0.0.1:${port}`;
  };
  const injection = { coaps: await at("coaps"), https: await at("https"), certificate: vehicleCertificate.der };
  eim.setEuicc({ eid: vehicle.euicc.eid, injection });
}
