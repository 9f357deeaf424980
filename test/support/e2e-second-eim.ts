// A second eIM for a scenario: behind the same gate as the first, which orders the eUICC to obey it as well (the eCO addEim, SGP.32 §2.11.1.1).
import { expect } from "vitest";
import { createEim, type Eim } from "../../hw-sim/eim/eim.ts";
import { decode } from "../../ipa/asn1/schema.ts";
import { EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import { pki, type World } from "./e2e.ts";

export const secondEimId = "eim2.example.com";

export async function addSecondEim(world: World): Promise<Eim> {
  const { vehicle, clock, order, poll } = world;
  const { gate, smdp, euicc } = vehicle;
  const second = createEim({
    clock,
    pki,
    eimId: secondEimId,
    post: (_address, functionName, body) => smdp.handle(functionName, body),
    euiccs: [{ eid: euicc.eid, euiccCertificate: pki.get("euicc").certificate, eumCertificate: pki.get("eum").certificate }],
  });
  const { port: behind } = await second.start();
  world.atEnd(() => second.stop());
  const port = await gate.openBoth(
    () => behind,
    () => behind,
  );
  const configuration = decode(EimConfigurationData, second.configurationData({ fqdn: `localhost:${port}` }));
  const { eimPublicKeyData, trustedPublicKeyDataTls } = configuration;
  if (eimPublicKeyData?.kind !== "eimCertificate" || trustedPublicKeyDataTls?.kind !== "trustedCertificateTls")
    throw new Error("the eIM's configuration holds no certificates");
  const added = order({
    kind: "euiccPackage",
    ecos: [
      {
        addEim: {
          eimId: secondEimId,
          eimFqdn: `localhost:${port}`,
          counterValue: 0,
          eimPublicKeyData: { certificate: base64(eimPublicKeyData.value) },
          trustedPublicKeyDataTls: { certificate: base64(trustedPublicKeyDataTls.value) },
          eimSupportedProtocol: ["eimRetrieveCoaps"],
        },
      },
    ],
  });
  await poll();
  expect(added()).toMatchObject({ state: "done" });
  expect(euicc.eims()).toEqual([vehicle.eim.eimId, secondEimId]);
  return second;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
