// Every make of module that the virtual vehicle can have.
import { generic3gpp, type Personality } from "../personality.ts";
import { nordicNrf91 } from "./nordic-nrf91.ts";
import { quectelBg9x } from "./quectel-bg9x.ts";
import { quectelEg } from "./quectel-eg.ts";
import { simcom } from "./simcom.ts";
import { telit } from "./telit.ts";
import { ublox } from "./ublox.ts";

const all: readonly Personality[] = [generic3gpp, ...quectelBg9x, ...quectelEg, ...simcom, ...ublox, ...telit, nordicNrf91];

/** By id, for the command line. */
export const personalities: Readonly<Record<string, Personality>> = Object.fromEntries(all.map((one) => [one.id, one]));
