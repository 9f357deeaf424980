// The SM-SR of an M2M card (SGP.02 §3.2): what it orders goes as a short message through the module to the card, as soon as the vehicle
// has service. The fault ota-enable is its console.
import type { Disposer } from "../base/clock.ts";
import type { VirtualEuicc } from "./euicc/types.ts";
import type { Faults } from "./faults.ts";
import type { VirtualModem } from "./modem/module.ts";

/** Carries out the fault ota-enable. An order that the card cannot get is refused where it is given: SIM_OPTION. */
export function serveOverTheAir(inside: VirtualEuicc, modem: VirtualModem, faults: Faults): Disposer {
  let waiting: Uint8Array | undefined;
  const deliver = (): void => {
    if (waiting === undefined || !modem.bearer.up) return;
    const message = waiting;
    waiting = undefined;
    faults.clear("ota-enable");
    modem.sim.envelope(message);
  };
  const order = (iccid: string | undefined): void => {
    waiting = iccid === undefined ? undefined : inside.orderOverTheAir(iccid);
    deliver();
  };
  const stops = [
    faults.onChange(({ name, value }) => {
      if (name === "ota-enable" && (value !== undefined || waiting !== undefined)) order(value);
    }),
    modem.bearer.onChange(deliver),
  ];
  order(faults.get("ota-enable"));
  return () => {
    for (const stop of stops) stop();
  };
}
