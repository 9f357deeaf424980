// A long haul: five countries with several operators each, and what a lorry meets on the way. Operators and their codes are invented.
import { bootstrapPlmn, localPlmn, operator, type WorldData } from "../network/data.ts";
import type { Route } from "../network/drive.ts";

export const fiveCountries: WorldData = {
  countries: [
    { iso: "NL", mcc: ["204"], zoneMinutes: 60 },
    { iso: "DE", mcc: ["262"], zoneMinutes: 60 },
    { iso: "CZ", mcc: ["230"], zoneMinutes: 60 },
    { iso: "AT", mcc: ["232"], zoneMinutes: 60 },
    { iso: "IT", mcc: ["222"], zoneMinutes: 60 },
  ],
  operators: [
    operator(bootstrapPlmn, "Worldlink", "WLINK", [], -140, ["0000", "00000000"]),
    operator("20498", "Polderfoon", "POLDER", ["cat-1bis", "lte-m", "gsm"], -88, ["2041", "00A1B001"]),
    operator("20497", "Deltanet", "DELTA", ["cat-1bis", "lte-m"], -95, ["2042", "00A1B002"]),
    operator("26298", "Nordfunk", "NORDF", ["cat-1bis", "lte-m", "gsm"], -86, ["42A1", "01B2C301"]),
    operator(localPlmn, "Rheinfunk", "RHEIN", ["cat-1bis", "lte-m", "nb-iot"], -91, ["51C0", "0203A102"]),
    operator("26297", "Elbtel", "ELBTEL", ["cat-1bis", "gsm"], -99, ["51C1", "0203A103"]),
    operator("23098", "Moravia Mobil", "MORAVIA", ["cat-1bis", "lte-m"], -90, ["3A01", "00D0C001"]),
    operator("23097", "Vltavanet", "VLTAVA", ["cat-1bis", "gsm"], -94, ["3A02", "00D0C002"], false),
    operator("23298", "Alpenfunk", "ALPEN", ["cat-1bis", "lte-m", "nb-iot", "gsm"], -97, ["1A2B", "00C0FFE1"]),
    operator("23297", "Donautel", "DONAU", ["cat-1bis", "lte-m"], -100, ["1A2C", "00C0FFE2"]),
    operator("22298", "Padana Mobile", "PADANA", ["cat-1bis", "lte-m", "gsm"], -89, ["6D01", "00E1E101"]),
    operator("22297", "Lagunet", "LAGUNA", ["cat-1bis", "lte-m"], -93, ["6D02", "00E1E102"]),
  ],
  subscriptions: [
    { imsiPrefix: bootstrapPlmn, home: bootstrapPlmn, apns: ["bootstrap.iot", "iot"] },
    { imsiPrefix: localPlmn, home: localPlmn, apns: ["fleet.rheinfunk", "internet"] },
    { imsiPrefix: "", home: undefined, apns: ["*"] },
  ],
  agreements: [
    // The strongest in Czechia is not the one that the home operator wants its roamers on.
    { home: bootstrapPlmn, visited: "23098", outcome: { cause: 17, refusals: 3 } },
    { home: bootstrapPlmn, visited: "22298", outcome: 11 },
    { home: bootstrapPlmn, visited: "", outcome: "roaming" },
    { home: localPlmn, visited: "262", outcome: 11 },
    { home: localPlmn, visited: "22297", outcome: 15 },
    { home: localPlmn, visited: "", outcome: "roaming" },
  ],
};

const noCell = (...plmns: readonly string[]): Readonly<Record<string, null>> => Object.fromEntries(plmns.map((plmn) => [plmn, null]));

export const fiveCountriesRoute: Route = {
  waypoints: [
    { atMinutes: 20, signal: { "20498": -112 } },
    { atMinutes: 28, signal: noCell("20498", "20497") },
    { atMinutes: 31, signal: { "20498": -90, "20497": -95 } },
    { atMinutes: 55, country: "DE" },
    { atMinutes: 70, set: [{ name: "core-down", value: "26298" }] },
    { atMinutes: 85, clear: ["core-down"] },
    { atMinutes: 100, set: [{ name: "black-hole", value: "26299" }] },
    { atMinutes: 112, clear: ["black-hole"] },
    { atMinutes: 125, country: "CZ" },
    { atMinutes: 140, signal: noCell("23098") },
    { atMinutes: 150, signal: { "23098": -88 } },
    { atMinutes: 165, country: "AT" },
    { atMinutes: 180, signal: noCell("23298", "23297") },
    { atMinutes: 186, signal: { "23298": -97, "23297": -100 } },
    { atMinutes: 200, set: [{ name: "refuse", value: "23298:22" }] },
    { atMinutes: 215, clear: ["refuse"] },
    { atMinutes: 235, country: "IT" },
    { atMinutes: 255, set: [{ name: "outage", value: "22297" }] },
    { atMinutes: 262, clear: ["outage"] },
    { atMinutes: 300 },
  ],
};
