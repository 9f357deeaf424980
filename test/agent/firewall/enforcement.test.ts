// Where the kernel cannot be told, the module's flight stands in; where simward-netd is away for a moment, what stands in the kernel still holds.
import { expect, test } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";
import { createEnforcement, type EnforcementOptions } from "../../../agent/firewall/enforcement.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type ErrorCode, SimwardError } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";
import type { Verdict } from "../../../ipa/ports.ts";
import { allow, refuse } from "./policy-stub.ts";

const none = { sentBytes: 0, receivedBytes: 0 };

function bench(net: string) {
  const clock = new VirtualClock();
  const held: (string | undefined)[] = [];
  const alarms = new Map<string, string>();
  const asked: string[] = [];
  const listeners = new Set<(verdict: Verdict) => void>();
  const state = { data: allow as Verdict, refusesWith: undefined as ErrorCode | undefined, polls: 0 };
  const config = parseConfig(`[modem]\naddress = "auto"\n[net]\n${net}\n`);
  const enforcement = createEnforcement({
    config,
    netd: {
      ask: async (verb: string) => {
        asked.push(verb);
        if (state.refusesWith !== undefined) throw new SimwardError(state.refusesWith, { detail: verb });
        return verb === "shaping"
          ? {}
          : { present: true, generation: "g", hash: "h", fleet: none, management: none, tunnel: none, inner: none };
      },
      onPppEnd: () => () => {},
      onFirewallAltered: () => () => {},
      onFirewallUnkept: () => () => {},
      close: () => {},
    },
    engine: {
      get data() {
        return state.data;
      },
      onData: (fn) => {
        listeners.add(fn);
        return () => listeners.delete(fn);
      },
    },
    emergency: { sources: [], onChange: () => () => {} },
    tunnel: () => ({ tunnel: "none", tunnelInterface: undefined }),
    throttleKbps: () => undefined,
    clock,
    log: silentLog,
    alarms: {
      raise: (source: string, error: unknown) => void alarms.set(source, (error as SimwardError).code),
      clear: (source: string) => void alarms.delete(source),
      list: () => [],
    } as unknown as EnforcementOptions["alarms"],
    audit: async () => {},
    hold: (reason) => void held.push(reason),
    poll: () => void state.polls++,
  });
  const decide = async (data: Verdict): Promise<void> => {
    state.data = data;
    for (const fn of [...listeners]) fn(data);
    await clock.advance(1);
  };
  return { clock, held, alarms, asked, state, enforcement, decide };
}

test("a kernel that cannot be told: the radio is off between polls while data is refused, on again when it can be told", async () => {
  const { clock, held, alarms, state, enforcement, decide } = bench('mode = "ecm"\ninterface = "wwan0"');
  state.refusesWith = "NETD_PROGRAM";
  enforcement.start();
  await clock.advance(1);
  expect(alarms.get("firewall")).toBe("NETD_PROGRAM");
  expect(held).toEqual([]);
  await decide(refuse);
  expect(state.polls).toBe(1);
  enforcement.polled();
  await clock.advance(31_000);
  expect(held.at(-1)).toContain("usage");
  // nft is installed.
  state.refusesWith = undefined;
  await clock.advance(10_000);
  expect(held.at(-1)).toBeUndefined();
  expect(alarms.size).toBe(0);
  await enforcement.stop();
});

test("simward-netd away: what stands goes on to hold; what does not is seen to by the module until it answers", async () => {
  const { clock, held, alarms, state, enforcement, decide } = bench('mode = "ecm"\ninterface = "wwan0"');
  enforcement.start();
  await decide(refuse);
  expect(enforcement.firewall?.status).toMatchObject({ state: "kept", fleet: "block" });
  state.refusesWith = "NETD_ABSENT";
  await clock.advance(60_000);
  expect([held, alarms.size]).toEqual([[], 0]);
  state.refusesWith = undefined;
  await decide(allow);
  state.refusesWith = "NETD_ABSENT";
  await decide(refuse);
  expect(alarms.get("firewall")).toBe("NETD_ABSENT");
  expect(state.polls).toBe(1);
  state.refusesWith = undefined;
  await clock.advance(1_001);
  expect(alarms.size).toBe(0);
  expect(enforcement.firewall?.status).toMatchObject({ state: "kept", fleet: "block" });
  await enforcement.stop();
});

test("where the interface is the platform's there is no firewall, and the flight is a matter of choice", async () => {
  const { clock, held, asked, state, enforcement, decide } = bench('mode = "none"');
  enforcement.start();
  await decide(refuse);
  await clock.advance(3_600_000);
  expect(enforcement.firewall).toBeUndefined();
  expect([asked, held, state.polls]).toEqual([[], [], 0]);
  await enforcement.stop();
});
