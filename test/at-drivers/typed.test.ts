// A line typed by a person gets its whole answer, also where the answer looks like a URC.
import { expect, test } from "vitest";
import { moduleBench } from "./module-bench.ts";

test("the answer's lines come as the module wrote them", async () => {
  const { modem, run } = moduleBench();
  await run(modem.ready());
  expect(await run(modem.raw("AT+CFUN?"))).toMatchObject({ lines: ["+CFUN: 1"], finalResult: "OK" });
  expect((await run(modem.raw("at+cereg?"))).lines[0]).toMatch(/^\+CEREG: \d,/);
  expect((await run(modem.raw("AT+CGMM"))).lines).toHaveLength(1);
  await expect(run(modem.raw("AT+NOSUCH"))).rejects.toMatchObject({ code: expect.stringMatching(/^AT_(CME_)?ERROR$/) });
  await modem.close();
});
