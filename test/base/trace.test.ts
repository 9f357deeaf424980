// The bus that layers tell, and the id that goes with what an order leads to: through queues, timers and readers that have no context of their own.
import { describe, expect, test } from "vitest";
import { SystemClock, VirtualClock } from "../../base/clock.ts";
import { errorReport, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { seededRandom } from "../../base/random.ts";
import { createTraceBus, inTrace, type TracePoint, traceId, traceLayers } from "../../base/trace.ts";

const newBus = () => createTraceBus({ clock: new VirtualClock(), random: seededRandom(1) });

describe("the id", () => {
  test("is that of who asked a queue, not of who started it", async () => {
    const queue = new Queue();
    const seen: (string | undefined)[] = [];
    const job = async (): Promise<void> => {
      await Promise.resolve();
      seen.push(traceId());
    };
    await Promise.all([inTrace("a-1", () => queue.run(job)), inTrace("b-2", () => queue.run(job)), queue.run(job)]);
    expect(seen).toEqual(["a-1", "b-2", undefined]);
  });

  test("goes on behind waits and timers, and ends where another begins", async () => {
    const bus = newBus();
    const clock = new SystemClock();
    const seen: (string | undefined)[] = [];
    await bus.begin("package", async () => {
      seen.push(traceId());
      await clock.sleep(1);
      seen.push(traceId());
      await new Promise<void>((resolve) => void clock.after(1, resolve));
      bus.begin("package", () => seen.push(traceId()));
      seen.push(traceId());
    });
    const [first, , second] = seen;
    expect(seen).toEqual([first, first, second, first]);
    expect(first).toMatch(/^package-[0-9a-f]{4}-1$/);
    expect(second).toMatch(/^package-[0-9a-f]{4}-2$/);
    expect(traceId()).toBeUndefined();
  });

  test("is in an error that is made in it, and in its report", () => {
    const error = inTrace("poll-1", () => new SimwardError("AT_TIMEOUT"));
    expect(errorReport(error)).toMatchObject({ code: "AT_TIMEOUT", ref: "poll-1" });
    expect(errorReport(new SimwardError("AT_TIMEOUT"))).not.toHaveProperty("ref");
  });
});

describe("the bus", () => {
  test("tells who listens to that layer, and wants nothing where nobody does", () => {
    const bus = newBus();
    const points: TracePoint[] = [];
    expect(traceLayers.filter((layer) => bus.wants(layer))).toEqual([]);
    const stop = bus.listen(["at", "coap"], (point) => points.push(point));
    expect(traceLayers.filter((layer) => bus.wants(layer))).toEqual(["at", "coap"]);
    bus.emit("at", "tx", { text: "AT" });
    bus.emit("apdu", "tx", { octets: Uint8Array.of(1) });
    inTrace("x-1", () => {
      bus.emit("coap", "rx", {});
      bus.emit("coap", "rx", {}, "y-2");
      bus.emit("coap", "rx", {}, null);
    });
    expect(points.map(({ layer, traceId: id }) => [layer, id])).toEqual([
      ["at", undefined],
      ["coap", "x-1"],
      ["coap", "y-2"],
      ["coap", undefined],
    ]);
    stop();
    expect(bus.wants("at")).toBe(false);
    bus.emit("at", "tx", { text: "AT" });
    expect(points).toHaveLength(4);
  });
});
