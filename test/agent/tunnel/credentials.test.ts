// Certificates and keys of the tunnel as they are read: what is taken, what is refused without a word of what is in it, and when it ends.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";
import { isIdentity } from "../../../agent/netd/tunnel-arguments.ts";
import { evaluate } from "../../../agent/policy/engine.ts";
import { bindRules } from "../../../agent/policy/rules/table.ts";
import type { TunnelConfig } from "../../../agent/tunnel/config.ts";
import { endingOf, readCredentials } from "../../../agent/tunnel/credentials.ts";
import { makeCa, makeCertificate, type TunnelPair } from "../../support/tunnel-pki.ts";

const hasOpenssl = existsSync("/usr/bin/openssl");
const base = '[modem]\naddress = "pty:/x"\n';
const ids = 'gateway = "vpn.fleet.example"\nlocal_id = "v.fleet.example"\nremote_id = "vpn.fleet.example"\nca = "/ca"\n';
const configOf = (lines: string): TunnelConfig => {
  const { tunnel } = parseConfig(`${base}[tunnel]\n${ids}${lines}`);
  if (tunnel === undefined) throw new Error("no [tunnel]");
  return tunnel;
};
const byCertificate = 'certificate_credential = "certificate"\nkey_credential = "key"\n';
const byEap = 'auth = "eap"\neap_identity = "v@fleet.example"\nsecret_credential = "secret"\n';

describe.skipIf(!hasOpenssl)("credentials", () => {
  let dir: string;
  let ca: TunnelPair;
  let pair: TunnelPair;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "simward-credentials-"));
    ca = makeCa(dir, "ca");
    pair = makeCertificate(dir, { name: "v.fleet.example", ca, to: new Date(Date.UTC(2026, 5, 20)), from: new Date(Date.UTC(2026, 0, 1)) });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const read = (change: Readonly<Record<string, string>> = {}, config = configOf(byCertificate)) => {
    const credentials: Readonly<Record<string, string>> = {
      certificate: readFileSync(pair.certificate, "utf8"),
      key: readFileSync(pair.key, "utf8"),
      "/ca": readFileSync(ca.certificate, "utf8"),
      secret: "a secret of the fleet",
      ...change,
    };
    const get = async (name: string): Promise<string> => credentials[name] ?? Promise.reject(new Error("ENOENT"));
    return readCredentials(config, { credential: get, readFile: get });
  };

  test("a chain, its key and the CA, as simward-netd takes them", async () => {
    const chain = readFileSync(pair.certificate, "utf8") + readFileSync(ca.certificate, "utf8");
    const { request, certificates } = await read({ certificate: chain });
    expect(request).toMatchObject({
      certificates: [expect.any(String), expect.any(String)],
      key: expect.any(String),
      cas: [expect.any(String)],
    });
    expect(certificates).toMatchObject([
      { whose: "vehicle", name: "v.fleet.example", from: "certificate", endMs: Date.UTC(2026, 5, 20) },
      { whose: "ca", name: "ca" },
    ]);
  });

  test("a key in the older form too", async () => {
    const sec1 = execFileSync("openssl", ["ec", "-in", pair.key], { encoding: "utf8", stdio: "pipe" });
    expect(sec1).toContain("BEGIN EC PRIVATE KEY");
    expect((await read({ key: sec1 })).request.key).toBe((await read()).request.key);
  });

  test("a name and a secret", async () => {
    const { request } = await read({}, configOf(byEap));
    expect(request).toMatchObject({
      certificates: [],
      eapIdentity: "v@fleet.example",
      secret: Buffer.from("a secret of the fleet").toString("base64"),
    });
    expect(request).not.toHaveProperty("key");
  });

  test.each<[string, () => Readonly<Record<string, string>>, string]>([
    ["no certificate", () => ({ certificate: "a word" }), "certificate has 0 certificates"],
    [
      "a certificate that is damaged",
      () => ({ certificate: readFileSync(pair.certificate, "utf8").replace(/M/g, "N") }),
      "holds what is no certificate",
    ],
    ["too many", () => ({ "/ca": readFileSync(ca.certificate, "utf8").repeat(5) }), "/ca has 5 certificates"],
    ["no key", () => ({ key: "the very secret key" }), "key is no private key in PEM"],
    ["the key of another", () => ({ key: readFileSync(ca.key, "utf8") }), "key is not the key of certificate"],
  ])("%s is refused by the credential's name alone", async (_what, change, said) => {
    const failure: unknown = await read(change()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "TUNNEL_CREDENTIAL", message: expect.stringContaining(said) });
    expect(String(failure)).not.toContain("very secret");
  });

  test("the end of a certificate: warned of, then told; never by a clock that is not believed", async () => {
    const { certificates } = await read();
    const at = (ms: number, source: "none" | "floor" | "network" = "network") => endingOf(certificates, { ms, source }, 30)?.code;
    expect(at(Date.UTC(2026, 4, 1))).toBeUndefined();
    expect(at(Date.UTC(2026, 5, 1))).toBe("TUNNEL_CERTIFICATE_EXPIRING");
    expect(at(Date.UTC(2026, 5, 20, 0, 0, 1))).toBe("TUNNEL_CERTIFICATE_EXPIRED");
    expect(at(Date.UTC(2026, 5, 21), "floor")).toBe("TUNNEL_CERTIFICATE_EXPIRED");
    expect(at(Date.UTC(2027, 0, 1), "none")).toBeUndefined();
  });
});

describe("the section [tunnel]", () => {
  test("has a safe side where nothing is said", () => {
    expect(configOf(byCertificate)).toMatchObject({
      required: true,
      management: "outside",
      remote_ts: ["0.0.0.0/0", "::/0"],
      certificate_warn_days: 30,
    });
  });

  test.each([
    ["a certificate without a key", 'certificate_credential = "c"\n', "key_credential"],
    ["EAP without a secret", 'auth = "eap"\neap_identity = "v"\n', "secret_credential"],
    ["a network that is none", `${byCertificate}remote_ts = ["10.0.0.0"]\n`, "must be a network"],
    ["nothing on this side", `${byCertificate}virtual_ip = []\n`, "something on this side"],
    ["a path in place of a credential", 'certificate_credential = "/etc/x"\nkey_credential = "k"\n', "systemd credential"],
    [
      "an interface that simward-netd would not take for a tunnel's",
      `${byCertificate}interface = "tun0"\n`,
      "must be a tunnel's interface",
    ],
    ["an unknown key", `${byCertificate}psk = "x"\n`, "tunnel.psk is no setting"],
  ])("%s is refused", (_what, lines, said) => {
    expect(() => configOf(lines)).toThrow(said);
  });

  test.each([
    "%any",
    "*.fleet.example",
    "fqdn:x.example",
    "",
    "a",
    "x.example\n",
    "asn1dn:#30",
    "C=DE, O=*",
    "10.0.0.1%eth0",
    "a@b@c.example",
    "@#0102",
  ])("%j is no identity", (one) => expect(isIdentity(one)).toBe(false));
  test.each(["v1.fleet.example", "10.0.0.1", "2001:db8::1", "v1@fleet.example", "C=DE, O=Fleet Ltd, CN=vehicle-1", "CN=WVWZZZ1JZXW000001"])(
    "%j is one",
    (one) => expect(isIdentity(one)).toBe(true),
  );
});

describe("the rule tunnel_required", () => {
  const rules = (required: boolean) => bindRules(parseConfig(`${base}[tunnel]\n${ids}${byCertificate}required = ${required}\n`));
  const data = (required: boolean, facts: Parameters<typeof evaluate>[1]) => evaluate(rules(required), facts).data;
  test("refuses the fleet until it is up, from the very start", () => {
    expect(data(true, {})).toMatchObject({ kind: "refuse", rule: "tunnel_required" });
    for (const phase of ["idle", "connecting", "waiting"] as const)
      expect(data(true, { tunnel: { required: true, phase, reason: "it is raining" } })).toMatchObject({
        kind: "refuse",
        reason: expect.stringContaining("it is raining"),
      });
    expect(data(true, { tunnel: { required: true, phase: "up" } })).toEqual({ kind: "allow" });
  });
  test("says nothing where it is not required, or there is none", () => {
    expect(data(false, { tunnel: { required: false, phase: "waiting" } })).toEqual({ kind: "allow" });
    expect(evaluate(bindRules(parseConfig(base)), {}).data).toEqual({ kind: "allow" });
  });
});
