// The octets of an idle eIM poll over CoAP and DTLS stay within their limits, and Connection ID costs at most twelve of them.
import { expect, test } from "vitest";
import { eimPollOctets, type PollRow } from "../../../bench/eim-poll-coaps.ts";

const limits = {
  "ECDHE-ECDSA-AES128-GCM-SHA256": { warm: 130, resumed: 830, full: 1_500 },
  "ECDHE-ECDSA-AES128-CCM8": { warm: 114, resumed: 700, full: 1_440 },
} as const;

test("octets of UDP payload, both ways", async () => {
  const { rows, leafBytes } = await eimPollOctets();
  expect(leafBytes).toBeGreaterThanOrEqual(450);
  const find = (suite: string, connectionId: boolean, kind: PollRow["kind"]): PollRow => {
    const row = rows.find((one) => one.suite === suite && one.connectionId === connectionId && one.kind === kind);
    if (row === undefined) throw new Error(`${suite} ${kind}`);
    return row;
  };
  const total = (row: PollRow): number => row.upBytes + row.downBytes;
  for (const [suite, limit] of Object.entries(limits)) {
    for (const kind of ["warm", "resumed", "full"] as const)
      expect([kind, total(find(suite, false, kind)) <= limit[kind]]).toEqual([kind, true]);
    const warm = find(suite, false, "warm");
    const rebound = find(suite, true, "rebound");
    expect(rebound.datagrams).toBe(2);
    expect(total(rebound) - total(warm)).toBeLessThanOrEqual(12);
    expect(total(find(suite, true, "warm"))).toBe(total(rebound));
  }
});
