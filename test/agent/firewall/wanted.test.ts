// What the firewall is to be, and what its counters say: decided without a kernel.
import { describe, expect, test } from "vitest";
import { createReadings, type FirewallData, firewallData, isOpen, wantedFirewall } from "../../../agent/firewall/wanted.ts";
import { allow, refuse, throttle } from "./policy-stub.ts";

const noTunnel = { tunnel: "none", tunnelInterface: undefined } as const;
const required = { tunnel: "required", tunnelInterface: "ipsec0" } as const;
const calm = { data: allow, isEmergency: false, tunnel: noTunnel, throttleKbps: 64, listening: {} };

describe("what is wanted", () => {
  test.each([
    ["nothing is said", calm, { fleet: "allow", tunnel: "none" }],
    ["data is refused", { ...calm, data: refuse }, { fleet: "block", tunnel: "none" }],
    ["data is throttled", { ...calm, data: throttle }, { fleet: "allow", tunnel: "none", throttleKbps: 64 }],
    ["data is throttled to nothing known", { ...calm, data: throttle, throttleKbps: undefined }, { fleet: "allow", tunnel: "none" }],
    ["a tunnel is required", { ...calm, tunnel: required }, { fleet: "allow", tunnel: "required", tunnelInterface: "ipsec0" }],
    [
      "both, in an emergency",
      { ...calm, data: refuse, tunnel: required, isEmergency: true },
      { fleet: "allow", tunnel: "none", tunnelInterface: "ipsec0" },
    ],
    ["throttled, in an emergency", { ...calm, data: throttle, isEmergency: true }, { fleet: "allow", tunnel: "none" }],
    ["eIMs may come", { ...calm, listening: { udpPort: 5_684 } }, { fleet: "allow", tunnel: "none", udpPort: 5_684 }],
  ] as const)("%s", (_name, circumstances, wanted) => {
    expect(wantedFirewall(circumstances)).toEqual(wanted);
  });

  test("the table can go where it holds nothing back", () => {
    expect(isOpen({ fleet: "allow", tunnel: "none" })).toBe(true);
    expect(isOpen({ fleet: "block", tunnel: "none" })).toBe(false);
    expect(isOpen({ fleet: "allow", tunnel: "required" })).toBe(false);
    expect(isOpen({ fleet: "allow", tunnel: "none", throttleKbps: 8 })).toBe(false);
  });
});

describe("counters", () => {
  const none = { sentBytes: 0, receivedBytes: 0 };
  const data = (more: Partial<FirewallData>): FirewallData => ({
    ...{ generation: "a", hash: "h", fleet: none, management: none, tunnel: none, inner: none },
    ...more,
  });

  test("the fleet's within the tunnel are the fleet's; what the tunnel adds is management's, and never less than before", () => {
    const readings = createReadings();
    const fleet = { sentBytes: 100, receivedBytes: 50 };
    expect(readings(data({ fleet, inner: fleet, tunnel: { sentBytes: 160, receivedBytes: 90 } }))).toEqual({
      epoch: "a",
      fleet,
      management: { sentBytes: 60, receivedBytes: 40 },
    });
    // One packet more within, not yet seen around.
    const more = { sentBytes: 200, receivedBytes: 50 };
    expect(readings(data({ fleet: more, inner: more, tunnel: { sentBytes: 160, receivedBytes: 90 } }))?.management).toEqual({
      sentBytes: 60,
      receivedBytes: 40,
    });
  });

  test("set back within a generation they are no reading; another generation is another epoch", () => {
    const readings = createReadings();
    readings(data({ fleet: { sentBytes: 100, receivedBytes: 0 } }));
    expect(readings(data({ fleet: { sentBytes: 90, receivedBytes: 0 } }))).toBeUndefined();
    expect(readings(data({ generation: "b", fleet: { sentBytes: 90, receivedBytes: 0 } }))).toMatchObject({
      epoch: "b",
      fleet: { sentBytes: 90 },
    });
  });

  test("what is no answer of simward-netd's is none", () => {
    const whole = { present: true, ...data({}) };
    expect(firewallData(whole)).toEqual(data({}));
    for (const wrong of [
      undefined,
      null,
      1,
      {},
      { present: false },
      { ...whole, hash: 1 },
      { ...whole, fleet: { sentBytes: "1", receivedBytes: 0 } },
    ])
      expect(firewallData(wrong)).toBeUndefined();
  });
});
