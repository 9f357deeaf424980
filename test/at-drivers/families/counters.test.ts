// Each family's counters on the virtual modules of its makes: what the data session carried, begun anew as the make does, and not asked while the port is in use.
import { describe, expect, test } from "vitest";
import type { ModuleCounters } from "../../../at-drivers/data-interface.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { moduleBench } from "../module-bench.ts";

const ids = Object.keys(personalities).filter((id) => !["generic", "nordic-nrf91"].includes(id) && !/a76/.test(id));
const carried = { sentBytes: 200_000, receivedBytes: 900_000 };

describe.each(ids)("%s", (id) => {
  const personality = personalities[id];
  if (personality === undefined) throw new Error(id);

  test("tells what its session carried, and begins anew in its way", async () => {
    const traffic = { sentBytes: 0, receivedBytes: 0 };
    const { modem, run } = moduleBench({ module: { personality, traffic: () => traffic } });
    const cid = personality.contexts.defaultCid;
    const read = (): Promise<ModuleCounters | undefined> => run(modem.dataInterface.counters(cid));
    await run(modem.ready());
    await run(modem.awaitRegistered({ timeoutMs: 300_000 }));
    const first = await read();
    expect(first).toMatchObject({ sentBytes: 0, receivedBytes: 0 });
    Object.assign(traffic, carried);
    expect(await read()).toMatchObject(carried);
    await run(modem.reset());
    await run(modem.awaitRegistered({ timeoutMs: 300_000 }));
    const again = await read();
    const isKept = id.startsWith("telit");
    expect(again).toMatchObject(isKept ? carried : { sentBytes: 0, receivedBytes: 0 });
    expect(again?.life).toBeGreaterThan(first?.life ?? Number.NaN);
    await run(modem.close());
  });
});

test("nRF91 counts kilobytes, once it is told to, which the driver does at each start", async () => {
  const personality = personalities["nordic-nrf91"];
  const traffic = { sentBytes: 5_000, receivedBytes: 0 };
  const { modem, run } = moduleBench({ module: { ...(personality === undefined ? {} : { personality }), traffic: () => traffic } });
  await run(modem.ready());
  Object.assign(traffic, { sentBytes: 5_000 + 2_047, receivedBytes: 1_024 });
  expect(await run(modem.dataInterface.counters(0))).toMatchObject({ sentBytes: 1_024, receivedBytes: 1_024, stepBytes: 1_024 });
  await run(modem.close());
});

test("a module without such a command has none, and none is asked while a command is under way", async () => {
  const { modem, run } = moduleBench({});
  await run(modem.ready());
  expect(await run(modem.dataInterface.counters(1))).toBeUndefined();
  await run(modem.close());

  const personality = personalities["quectel-eg25"];
  const busy = moduleBench({ module: { ...(personality === undefined ? {} : { personality }) } });
  await busy.run(busy.modem.ready());
  const other = busy.modem.imsi();
  await expect(busy.modem.dataInterface.counters(1)).resolves.toBeUndefined();
  await busy.run(other);
  expect(await busy.run(busy.modem.dataInterface.counters(1))).toMatchObject({ sentBytes: 0 });
  await busy.run(busy.modem.close());
});
