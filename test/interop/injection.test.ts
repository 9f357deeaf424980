// eIMs that are not ours bring their messages: Python's own TLS over HTTPS, libcoap over CoAPs; with the eIM's certificate, somebody else's, and none.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { pki, scenario, type World } from "../support/e2e.ts";
import { injectionConfig, injectionCredentials, vehicleCertificate } from "../support/e2e-injection.ts";
import { program, run } from "../support/programs.ts";
import { makeCertificate, oids } from "../support/test-pki.ts";

const listening = { config: injectionConfig("unproven_requests_per_minute = 20\n"), credentials: injectionCredentials };
const foreign = makeCertificate({ name: "localhost", altNames: ["localhost"], extendedKeyUsage: [oids.clientAuth] });

type Presented = "eim" | "foreign" | "none";
/** Answers what came back in hex, or "" when nothing did. */
type Bring = (message: string, presented: Presented) => Promise<string>;

async function inFiles(world: World, scheme: "https" | "coaps", use: (bring: Bring) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "simward-injection-"));
  const file = (name: string): string => join(dir, name);
  const { port } = await world.event("injection.listening", (one) => one.scheme === scheme);
  const { certificatePem, privateKeyPem } = pki.get("eimtls");
  const contents = {
    "vehicle.pem": vehicleCertificate.pem,
    "eim.pem": certificatePem,
    "eim.key": privateKeyPem,
    "foreign.pem": foreign.pem,
    "foreign.key": foreign.privateKeyPem,
  };
  for (const [name, content] of Object.entries(contents)) await writeFile(file(name), content);
  const overHttps: Bring = async (message, presented) => {
    const identity = presented === "none" ? [] : [file(`${presented}.pem`), file(`${presented}.key`)];
    const child = run(python.path ?? "", ["test/interop/injector.py", `127.0.0.1:${port}`, file("vehicle.pem"), message, ...identity]);
    await child.ended;
    return (JSON.parse(child.output()) as { readonly body?: string }).body ?? "";
  };
  const overCoaps: Bring = async (message, presented) => {
    await writeFile(file("request"), fromHex(message));
    await rm(file("response"), { force: true });
    const identity = presented === "none" ? [] : ["-c", file(`${presented}.pem`), "-j", file(`${presented}.key`)];
    const what = ["-m", "post", "-B", "20", "-f", file("request"), "-o", file("response"), "-n", ...identity];
    const child = run(coapClient.path ?? "", [...what, `coaps://127.0.0.1:${port}/gsma/rsp2/asn1`]);
    await child.ended;
    return readFile(file("response")).then(toHexUpper, () => "");
  };
  await use(scheme === "https" ? overHttps : overCoaps).finally(() => rm(dir, { recursive: true, force: true }));
}

const python = program("python3");
const coapClient = program("coap-client-openssl");

const dataRequest = "BF4E0BBF52085C02BF208302AABB";
const acknowledgement = "BF4E06BF5303800101";

for (const [scheme, other] of [
  ["https", python],
  ["coaps", coapClient],
] as const)
  describe.skipIf(other.path === undefined)(
    `injection over ${scheme} by ${other.name}${other.path === undefined ? ` (${other.note})` : ""}`,
    () => {
      scenario("by the eIM itself everything, by nobody packages only, by somebody else nothing", {
        ...listening,
        run: (world) =>
          inFiles(world, scheme, async (bring) => {
            expect(await bring(dataRequest, "eim")).toMatch(/^BF4E.*BF52.*BF20.*8702AABB/);
            expect(await bring(acknowledgement, "eim")).toBe("BF4E020500");
            expect(await bring("BF4E05BF7F020500", "eim")).toBe("BF4E03020102");
            expect(await bring("00", "eim")).toBe("BF4E03020101");
            for (const message of [dataRequest, acknowledgement]) expect(await bring(message, "none")).toBe("BF4E0302017F");
            expect(await bring(dataRequest, "foreign")).toBe("");
          }),
      });
    },
  );
