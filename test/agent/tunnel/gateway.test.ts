// The tunnel through simward-netd, between two real charons: what comes up, what is refused and why, what is on the wire.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeCa, makeCertificate } from "../../support/tunnel-pki.ts";
import { canTunnel, derOf, eapSecret, ids, keyOf, leftOut, places, TunnelBench, until } from "./bench.ts";

let bench: TunnelBench;
beforeAll(async () => {
  if (canTunnel) bench = await TunnelBench.make();
}, 60_000);
afterAll(async () => {
  if (canTunnel) await bench.close();
});
afterEach(async () => {
  if (canTunnel) await bench.ask("tunnel-down");
});

const up = async (request: object): Promise<void> => {
  expect(await bench.ask("tunnel", request)).toEqual({ ok: true });
  expect((await bench.ended()).attempt).toEqual({ state: "done" });
};
const past = (days: number): Date => new Date(Date.now() - days * 86_400_000);

describe.skipIf(!canTunnel)(`a gateway that is as expected${leftOut}`, () => {
  test("by certificate: the fixed addresses of the pool, its name server, and packets of both families in ESP alone", async () => {
    bench.configureGateway();
    const lines = await bench.capture(async () => {
      await up(bench.request());
      expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
      expect(await bench.seenAs(places.fleet6)).toBe(places.virtual6);
    });
    const { sa, nameServers } = await bench.reading();
    expect(sa).toMatchObject({ state: "ESTABLISHED", isLocal: true, virtualIps: [places.virtual, places.virtual6] });
    expect(sa?.children[0]?.sentBytes).toBeGreaterThan(100);
    expect(nameServers).toEqual([places.nameServer]);
    const ofTheTunnel = / 10\.64\.3\.[17]\.(500|4500) > 10\.64\.3\.[17]\.(500|4500): /;
    expect(lines.filter((line) => ofTheTunnel.test(line) && line.includes("UDP-encap: ESP")).length).toBeGreaterThan(10);
    expect(lines.filter((line) => !ofTheTunnel.test(line) && !/ICMP6, (neighbor|router)|HBH/.test(line))).toEqual([]);
  });

  test("over IPv6", async () => {
    bench.configureGateway();
    await up(bench.request({ gateway: places.gateway6 }));
    expect((await bench.reading()).sa?.localAddress).toBe(places.vehicle6);
    expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
    expect(await bench.seenAs(places.fleet6)).toBe(places.virtual6);
  });

  test("by EAP with name and secret", async () => {
    bench.configureGateway({ auth: "eap" });
    await up(bench.eapRequest());
    expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
  });

  test("everything through the tunnel: the management's own packets alone go by the module's interface", async () => {
    bench.configureGateway({ localTs: "0.0.0.0/0, ::/0" });
    await up(bench.request({ remoteTs: ["0.0.0.0/0", "::/0"] }));
    expect(await bench.seenAs(places.fleet)).toBe(places.virtual);
    expect(await bench.seenAs(places.gateway)).toBe(places.virtual);
    expect(await bench.seenAs(places.gateway, 12_345)).toBe(places.vehicle);
    expect(await bench.seenAs(places.gateway6, 12_345)).toBe(places.vehicle6);
  });

  test("asked for again it stays as it is; asked for otherwise it is another one", async () => {
    bench.configureGateway();
    await up(bench.request());
    const first = (await bench.reading()).sa;
    await up(bench.request());
    expect((await bench.reading()).sa?.name).toBe(first?.name);
    expect(bench.swanctl("--list-sas").match(/ESTABLISHED/g)).toHaveLength(1);
    await up(bench.request({ dpdSeconds: 7 }));
    expect((await bench.reading()).sa?.name).not.toBe(first?.name);
    await until(() => bench.swanctl("--list-sas").match(/ESTABLISHED/g)?.length === 1, "one tunnel at the gateway");
  });

  test("taken down, nothing of it is left in charon", async () => {
    bench.configureGateway();
    await up(bench.request());
    expect(await bench.ask("tunnel-down")).toEqual({ ok: true });
    expect(await bench.reading()).toEqual({ running: true, attempt: { state: "none" }, nameServers: [] });
    expect(bench.netd.ip("rule")).not.toContain("uidrange");
    expect(bench.netd.ip("address", "show", "dev", "ipsec0")).not.toContain(places.virtual);
    expect(await bench.seenAs(places.fleet)).not.toBe(places.virtual);
  });
});

describe.skipIf(!canTunnel)(`a gateway that is not${leftOut}`, () => {
  const refusal = async (request: object): Promise<{ state: string; code?: string; detail?: string }> => {
    expect(await bench.ask("tunnel", request)).toEqual({ ok: true });
    const { attempt, sa } = await bench.ended();
    expect(sa).toBeUndefined();
    return attempt;
  };

  test("signed by another CA", async () => {
    const other = makeCa(bench.dir, "other");
    bench.configureGateway({ certificate: makeCertificate(bench.dir, { name: ids.gateway, ca: other }) });
    expect(await refusal(bench.request())).toMatchObject({ state: "failed", code: "TUNNEL_UNTRUSTED" });
  });

  test("that is asked for by a name it does not have", async () => {
    bench.configureGateway();
    expect(await refusal(bench.request({ remoteId: "vpn.other.example" }))).toMatchObject({ state: "failed", code: "TUNNEL_REFUSED" });
  });

  test("with a certificate that has ended", async () => {
    bench.configureGateway({ certificate: makeCertificate(bench.dir, { name: ids.gateway, ca: bench.ca, from: past(20), to: past(10) }) });
    expect(await refusal(bench.request())).toMatchObject({ state: "failed", code: "TUNNEL_GATEWAY_EXPIRED" });
  });

  test("that takes our certificate for none of its own", async () => {
    bench.configureGateway({ ca: makeCa(bench.dir, "strangers") });
    expect(await refusal(bench.request())).toMatchObject({ state: "failed", code: "TUNNEL_REFUSED" });
  });

  test("that sees our certificate ended", async () => {
    bench.configureGateway();
    const ended = makeCertificate(bench.dir, { name: ids.vehicle, ca: bench.ca, from: past(20), to: past(10) });
    const request = bench.request({ certificates: [derOf(ended.certificate)], key: keyOf(ended.key) });
    expect(await refusal(request)).toMatchObject({ state: "failed", code: "TUNNEL_REFUSED" });
  });

  test("with another secret", async () => {
    bench.configureGateway({ auth: "eap" });
    const secret = Buffer.from(`not ${eapSecret}`).toString("base64");
    expect(await refusal(bench.eapRequest({ secret }))).toMatchObject({ state: "failed", code: "TUNNEL_REFUSED" });
  });

  test("with none of our algorithms", async () => {
    bench.configureGateway({ proposals: "aes128-sha1-modp1536" });
    expect(await refusal(bench.request())).toMatchObject({ state: "failed", code: "TUNNEL_PROPOSAL" });
  });

  test("with none of the networks asked for", async () => {
    bench.configureGateway();
    expect(await refusal(bench.request({ remoteTs: ["172.16.0.0/12"] }))).toMatchObject({ state: "failed", code: "TUNNEL_SELECTORS" });
  });

  test("without an address for us", async () => {
    bench.configureGateway({ hasPool: false });
    expect(await refusal(bench.request())).toMatchObject({ state: "failed", code: "TUNNEL_ADDRESS" });
  });

  test("that does not answer", async () => {
    const request = bench.request({ gateway: "10.64.3.99", limitSeconds: 5 });
    expect(await refusal(request)).toMatchObject({ state: "failed", code: "TUNNEL_UNREACHABLE" });
  });

  test("for whom we have a key that is none, and what it was is told to nobody", async () => {
    const key = Buffer.from("a key that is none").toString("base64");
    const answer = await bench.ask("tunnel", bench.request({ key }));
    expect(answer).toMatchObject({ error: { code: "TUNNEL_CREDENTIAL" } });
    for (const text of [JSON.stringify(answer), bench.netdProcess?.output() ?? "", bench.vehicle.output]) {
      expect(text).not.toContain(key);
      expect(text).not.toContain("a key that is none");
    }
  });
});
