// TransferEimPackage in JSON: the eIM brings its packages to gsma/rsp2/esipa/transferEimPackage, over HTTPS and over CoAPs.
import { describe, expect } from "vitest";
import { SystemClock } from "../../base/clock.ts";
import { createHttpsClient } from "../../transports/https/client.ts";
import { bootstrap, fleet, type Given, scenario, type World } from "../support/e2e.ts";
import { injectionConfig, injectionCredentials, meetForInjection, vehicleCertificate } from "../support/e2e-injection.ts";

const listening = {
  config: injectionConfig("unproven_requests_per_minute = 60\n"),
  credentials: injectionCredentials,
} satisfies Partial<Given>;
const schemes = ["https", "coaps"] as const;

/** Places an order that the eIM brings in JSON, and waits for how it ends. */
async function inject(world: World, scheme: string, order: object): Promise<unknown> {
  const standing = world.order({ ...order, inject: scheme, injectEncoding: "json" });
  return world.until(standing, ({ state }) => state === "done" || state === "failed");
}

describe("injection in JSON", () => {
  // shows: d4.transferEimPackage, esipa.TransferEimPackage, bf4e.package, bf4e.data-request, bf4e.trigger, bf4e.acknowledgements, bf4e.received
  for (const scheme of schemes)
    scenario(`over ${scheme}: a package, data and a download, each answered and acknowledged`, {
      ...listening,
      async run(world) {
        const { vehicle, eim } = world;
        await meetForInjection(world);
        const answers: string[] = [];
        eim.onEvent(({ type, response, error }) => {
          if (type === "injection") answers.push(String(response ?? error));
        });
        const list = { kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] };
        expect(await inject(world, scheme, list)).toMatchObject({ state: "done", results: [{ verified: true }] });
        await world.until(
          () => vehicle.euicc.pending().packageResults,
          (pending) => pending.length === 0,
        );
        expect(await inject(world, scheme, { kind: "ipaEuiccData", tags: ["BF20", "A8"] })).toMatchObject({
          state: "done",
          results: [{ kind: "ipaEuiccData" }],
        });
        const download = { kind: "download", activationCode: vehicle.activationCode(fleet.matchingId) };
        expect(await inject(world, scheme, download)).toMatchObject({ state: "done", deliveries: 1 });
        expect(world.installed()).toEqual([bootstrap.iccid, fleet.iccid]);
        // The result, the acknowledgement taken, the data, the download received.
        expect(answers.map((answer) => (answer === "BF4E020500" ? "received" : answer.slice(0, 4)))).toEqual([
          "BF4E",
          "received",
          "BF4E",
          "received",
        ]);
      },
    });

  // shows: d4.transferEimPackage, code.TransferEimPackage.invalidPackageFormat, code.TransferEimPackage.undefinedError
  scenario("what is no package, what is not proven, and what is no function", {
    ...listening,
    async run(world) {
      const { port } = await world.event("injection.listening", (one) => one.scheme === "https");
      const https = createHttpsClient({ clock: new SystemClock(), timeoutMs: 10_000 });
      const post = async (path: string, text: string, type = "application/json;charset=UTF-8") => {
        const { status, body } = await https.request(
          {
            host: "127.0.0.1",
            port: Number(port),
            serverName: "127.0.0.1",
            trust: { kind: "certificate", der: vehicleCertificate.der },
          },
          { method: "POST", path: `/gsma/rsp2/esipa/${path}`, headers: { "Content-Type": type }, body: new TextEncoder().encode(text) },
        );
        return status === 200 ? (JSON.parse(new TextDecoder().decode(body)) as unknown) : status;
      };
      const refused = (eimPackageError: number) => ({
        header: { functionExecutionStatus: { status: "Executed-Success" } },
        eimPackageError,
      });
      try {
        for (const text of [
          "",
          "{",
          "[]",
          "{}",
          '{"euiccPackageRequest":"@@"}',
          '{"eimAcknowledgements":"v1MA","ipaEuiccDataRequest":"v1IA"}',
        ])
          expect(await post("transferEimPackage", text), text).toEqual(refused(1));
        // BF53 without a certificate.
        expect(await post("transferEimPackage", '{"eimAcknowledgements":"v1MDgAEB"}')).toEqual(refused(127));
        expect(await post("getEimPackage", "{}")).toBe(404);
        expect(await post("transferEimPackage", "{}", "application/x-gsma-rsp-asn1")).toBe(415);
      } finally {
        https.close();
      }
    },
  });
});
