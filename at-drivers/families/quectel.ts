// What Quectel's families have in common.
import { qgdcnt } from "../commands/counters.ts";
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

/** +QGDCNT=0 would reset them and +QGDCNT=1, +QAUGDCNT save them; neither is done: they are the module's owner's, and its flash. */
export const quectelCounters: Pick<ModemQuirks, "counters"> = { counters: { read: qgdcnt, stepBytes: 1, afterStart: "saved" } };
