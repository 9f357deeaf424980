// A client that refuses says so with one alert and is gone: it leaves before its socket is closed, and the server does without it when it is lost.
import { Socket } from "node:dgram";
import { describe, expect, test, vi } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { contentTypes } from "../../../transports/dtls/records.ts";
import { dtlsBench, echo, refusal, unhurried } from "../../support/dtls-bench.ts";
import type { LossyProxyOptions } from "../../support/lossy-proxy.ts";
import { alertedBy, refusalsOf } from "./refusals.ts";

const bench = dtlsBench();
const misnamed = { serverName: "evil.example.test" } as const;

/** Loses the first `count` datagrams that are an alert and go that way. */
function losesAlerts(way: "up" | "down", count: number): Required<Pick<LossyProxyOptions, "alter">> {
  let left = count;
  return { alter: (datagram, direction) => (direction === way && datagram[0] === contentTypes.alert && left-- > 0 ? [] : [datagram]) };
}

describe("the alert of a client that refuses", () => {
  test("is given to the kernel before the socket closes", async () => {
    const server = await bench.server();
    const acts: string[] = [];
    const send = vi.spyOn(Socket.prototype, "send");
    const { close } = Socket.prototype;
    const closing = vi.spyOn(Socket.prototype, "close").mockImplementation(function (this: Socket, ...rest) {
      const alerts = send.mock.calls.filter(
        ([datagram], i) => send.mock.contexts[i] === this && datagram instanceof Uint8Array && datagram[0] === contentTypes.alert,
      );
      acts.push(`closed after ${alerts.length} alerts, ${this.getSendQueueCount()} datagrams in its queue`);
      return close.apply(this, rest);
    });
    try {
      expect(await refusal(bench.connect(server, misnamed))).toMatchObject({ code: "TLS_HOST_MISMATCH" });
    } finally {
      closing.mockRestore();
      send.mockRestore();
    }
    expect(acts[0]).toBe("closed after 1 alerts, 0 datagrams in its queue");
  });

  test("is lost: the server ends the handshake by its own deadline, and nothing of it stays", async () => {
    const clock = new VirtualClock();
    const server = await bench.server({ clock, handshakeTimeoutMs: 60_000, ...unhurried });
    const proxy = await bench.proxy(server, losesAlerts("up", 1));
    const told = server.refused();
    expect(await refusal(bench.connect(proxy, misnamed))).toMatchObject({ code: "TLS_HOST_MISMATCH" });
    expect(server.size).toBe(1);
    await clock.advance(59_999);
    expect(server.size).toBe(1);
    await clock.advance(1);
    expect(server.size).toBe(0);
    expect(await told).toMatchObject({ code: "DTLS_TIMEOUT" });
    expect(clock.nextTimerInMs()).toBeUndefined();
    await echo(await bench.connect(server), bench.clock);
  });

  test("is lost and the attempt made again: the server is told then", async () => {
    const server = await bench.server({ handshakeTimeoutMs: 300 });
    const proxy = await bench.proxy(server, losesAlerts("up", 1));
    const both = await refusalsOf(server, () => bench.connect(proxy, misnamed));
    expect(both).toMatchObject({ client: { code: "TLS_HOST_MISMATCH" }, server: { code: "DTLS_ALERT", data: { alert: 42 } } });
    expect(proxy.dropped).toBe(1);
  });
});

test("the alert of a server that refuses is lost: the client ends by its own deadline, and is told when it tries again", async () => {
  const server = await bench.server({ cipherSuites: ["ECDHE-ECDSA-AES256-GCM-SHA384"] });
  const proxy = await bench.proxy(server, losesAlerts("down", 1));
  const connect = () => bench.connect(proxy, { handshakeTimeoutMs: 300, cipherSuites: ["ECDHE-ECDSA-AES128-GCM-SHA256"] });
  expect(await alertedBy(connect)).toMatchObject({ code: "DTLS_ALERT", data: { alert: 40 } });
  expect(proxy.dropped).toBe(1);
  expect(server.size).toBe(0);
});
