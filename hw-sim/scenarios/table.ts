// The scenarios that `simward-sim run --scenario` knows.
import { bootstrapPlmn, localPlmn } from "../network/data.ts";
import { fiveCountries, fiveCountriesRoute } from "./five-countries.ts";
import type { Offer, ProfilePlan, Scenario } from "./scenario.ts";

const bootstrap: ProfilePlan = {
  iccid: "8988298000000000017",
  imsi: `${bootstrapPlmn}0000000001`,
  serviceProvider: "Worldlink",
  profileName: "Worldlink bootstrap",
};

const local: Offer = {
  iccid: "8949299000000000026",
  imsi: `${localPlmn}0000000002`,
  serviceProvider: "Rheinfunk",
  profileName: "Rheinfunk fleet",
  matchingId: "RHEINFUNK-1",
};

const second: Offer = {
  iccid: "8949298000000000035",
  imsi: "262980000000003",
  serviceProvider: "Nordfunk",
  profileName: "Nordfunk IoT",
  matchingId: "NORDFUNK-1",
};

const turkish: Offer = {
  iccid: "8990298000000000047",
  imsi: "286980000000004",
  serviceProvider: "Bosfor",
  profileName: "Bosfor araç",
  matchingId: "BOSFOR-1",
};

const fallback: ProfilePlan = {
  iccid: "8949298000000000068",
  imsi: "262980000000006",
  serviceProvider: "Nordfunk",
  profileName: "Nordfunk fallback",
  fallbackAllowed: true,
};

const emergency: ProfilePlan = {
  iccid: "8949298000000000050",
  imsi: "262980000000005",
  serviceProvider: "Nordfunk",
  profileName: "Nordfunk eCall",
  ecallIndication: true,
};

const demo: Scenario = {
  name: "demo",
  text: "Germany; a bootstrap profile that roams; Rheinfunk's and Nordfunk's profiles wait at the SM-DP+",
  country: "DE",
  bootstrap,
  offers: [local, second],
  faults: [],
};

const all: readonly Scenario[] = [
  demo,
  {
    ...demo,
    name: "no-coverage",
    text: "the demo, but Rheinfunk's profile finds no cell once it is enabled",
    faults: [{ name: "no-coverage", value: local.iccid }],
  },
  {
    ...demo,
    name: "ways-back",
    text: "the demo, with a profile that may be made the fallback and an emergency profile on the card",
    installed: [fallback, emergency],
  },
  {
    ...demo,
    name: "lossy",
    text: "the demo over a path that loses a quarter of all datagrams and takes 600 ms there and back",
    faults: [
      { name: "loss", value: "0.25" },
      { name: "rtt-ms", value: "600" },
    ],
  },
  {
    ...demo,
    name: "border",
    text: "Bosfor's profile waits at the SM-DP+; after the fault country=TR the bootstrap profile is refused (EMM cause 13)",
    offers: [turkish, local],
  },
  {
    ...demo,
    name: "five-countries",
    text: "five hours through NL, DE, CZ, AT and IT: several operators each, borders, tunnels, steering, refusals, outages",
    country: "NL",
    world: fiveCountries,
    offers: [local],
    route: fiveCountriesRoute,
  },
];

/** By name. */
export const scenarios: Readonly<Record<string, Scenario>> = Object.fromEntries(all.map((scenario) => [scenario.name, scenario]));
export const defaultScenario = demo;
