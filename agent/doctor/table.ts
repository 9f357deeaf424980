// Every check of doctor, from the ground up: of two that fail, the one that stands first is the likelier cause.
import type { Check } from "./check.ts";
import { cardChecks } from "./checks/card.ts";
import { credentialChecks } from "./checks/credentials.ts";
import { eimChecks } from "./checks/eim.ts";
import { factoryChecks } from "./checks/factory.ts";
import { marketChecks } from "./checks/market.ts";
import { moduleChecks } from "./checks/module.ts";
import { networkChecks } from "./checks/network.ts";
import { orderChecks } from "./checks/orders.ts";
import { pathChecks } from "./checks/path.ts";
import { policyChecks } from "./checks/policy.ts";
import { stateFileChecks } from "./checks/state-files.ts";
import type { DoctorContext } from "./context.ts";
import { localChecks } from "./local/table.ts";

const named = (checks: readonly Check<DoctorContext>[], ...names: readonly string[]): readonly Check<DoctorContext>[] =>
  names.length === 0 ? checks : checks.filter(({ name }) => names.includes(name));

const resolving = named(pathChecks, "dns");
const eims = named(eimChecks, "eim-configured", "eim-trusted");

export const checks: readonly Check<DoctorContext>[] = [
  ...localChecks,
  ...stateFileChecks,
  ...credentialChecks,
  ...moduleChecks,
  ...cardChecks,
  ...policyChecks.filter(({ name }) => name !== "alarms"),
  ...marketChecks,
  ...networkChecks,
  ...pathChecks.filter((check) => !resolving.includes(check)),
  ...eims,
  ...resolving,
  ...eimChecks.filter((check) => !eims.includes(check)),
  ...orderChecks,
  ...factoryChecks,
  ...named(policyChecks, "alarms"),
];

export const factoryNames: readonly string[] = factoryChecks.map(({ name }) => name);
