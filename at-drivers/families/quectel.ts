// What Quectel's families have in common.
import { qesimEid, qesimLpaEnable } from "../commands/profile.ts";
import { namedSetting } from "../commands/setting.ts";
import type { ModemQuirks, OwnLpaQuestion, StartSetting } from "../family.ts";

export const allUrcPorts: StartSetting = {
  setting: namedSetting("+QURCCFG", "urcport", { isText: true }),
  value: "all",
  why: "URCs come to the port that is read, whichever it is",
};

const remedy = 'AT+QESIM="lpa_enable",0 and a restart of the module';

export const quectelLpa: readonly OwnLpaQuestion[] = [
  { command: qesimLpaEnable, isOn: (answer) => /,\s*"?1"?\s*$/.test(answer), remedy },
  { command: qesimEid, isOn: () => undefined, remedy },
];

/** With <onoff> 1, +CTZU makes +CCLK universal time with the zone behind it, which no other make does. */
export const quectelClock: Pick<ModemQuirks, "clock" | "localCtzu"> = { clock: ["qlts", "cclk"], localCtzu: 3 };
