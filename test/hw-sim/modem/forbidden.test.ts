// EF.FPLMN: operators that the module will not try by itself again, as its host can see and mend it.
import { expect, it } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { identityOf, makeEuicc } from "../../../hw-sim/factory.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { defaultScenario } from "../../../hw-sim/scenarios/table.ts";
import { noState } from "../../../hw-sim/state.ts";
import { type Bench, readyBench } from "./bench.ts";

const pki = createPki({ clock: new VirtualClock({ ms: Date.UTC(2026, 5, 1) }) });
const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1) });

/** Registered by way of the second operator, since the first has said "PLMN not allowed" once. */
async function refusedOnce(): Promise<Bench> {
  const uicc = makeEuicc({ clock, identity: identityOf(pki), state: noState, scenario: defaultScenario, eims: [] });
  const made = await readyBench({ uicc });
  made.world.setRefusal("26298", 11);
  await made.host.command("AT+CFUN=4");
  await made.host.command("AT+CFUN=1");
  await made.host.until(() => made.modem.registration.state.cell !== undefined);
  made.world.setRefusal("26298", undefined);
  return made;
}

const registeredOn = ({ modem }: Bench): string | undefined => modem.registration.state.cell?.plmn;
const readFile = "AT+CRSM=176,28539,0,0,12";

it("an operator that said PLMN not allowed is not tried again by itself, not even after a restart, though it would serve now", async () => {
  const made = await refusedOnce();
  expect(registeredOn(made)).toBe("26299");
  expect(await made.host.lines(readFile)).toEqual(['+CRSM: 144,0,"62F289FFFFFFFFFFFFFFFFFF"']);
  await made.host.command("AT+CFUN=1,1");
  await made.host.until(() => made.modem.registration.state.cell !== undefined);
  expect(registeredOn(made)).toBe("26299");
});

it("once the file is cleared and the SIM has been started anew it is", async () => {
  const made = await refusedOnce();
  await made.host.command(`AT+CRSM=214,28539,0,0,12,"${"FF".repeat(12)}"`);
  await made.host.command("AT+CFUN=4");
  await made.host.command("AT+CFUN=1");
  await made.host.until(() => made.modem.registration.state.cell !== undefined);
  expect(registeredOn(made)).toBe("26299");
  await made.host.command("AT+CFUN=0");
  await made.host.command("AT+CFUN=1");
  await made.host.until(() => made.modem.registration.state.cell !== undefined);
  expect(registeredOn(made)).toBe("26298");
});

it("chosen by hand it is tried, and forbidden no more when it lets the module in", async () => {
  const made = await refusedOnce();
  expect(await made.host.command('AT+COPS=1,2,"26298"')).toContain("OK");
  await made.host.until(() => registeredOn(made) === "26298");
  expect(await made.host.lines(readFile)).toEqual(['+CRSM: 144,0,"FFFFFFFFFFFFFFFFFFFFFFFF"']);
});
