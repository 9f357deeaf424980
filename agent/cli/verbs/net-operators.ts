// simward net operators, register, fplmn show and clear: which operators are known, chosen and forbidden.
import { SimwardError } from "../../../base/errors.ts";
import type { ForbiddenOperators, ModemChanged } from "../../api/modem-types.ts";
import type { NetReport } from "../../api/net-types.ts";
import { duration } from "../layout.ts";
import { asTyped, needReason, type Verb } from "../verb.ts";

export const netOperators: Verb = {
  name: "net operators",
  summary: "what is remembered of operators: which gave data, which did not and why, who chooses now; simward net scan looks for them anew",
  example: "simward net operators",
  async run({ api, out }) {
    const { operators, choice, chosen, registration } = await api("viewer").call<NetReport>("GET", "/v1/net");
    const report = { schema: "simward/net-operators/1", registered: registration.plmn, choice, chosen, operators };
    out.result(report, () => {
      const now = [
        registration.plmn ?? "none",
        choice === "automatic" ? "the module chooses" : choice,
        ...(chosen === undefined ? [] : [chosen]),
      ];
      const rows = operators.map(({ plmn, failing, at, rsrpDbm, why }) => [
        plmn,
        failing ? out.paint("yellow", "failing") : out.paint("green", "good"),
        at,
        rsrpDbm === undefined ? "" : `${rsrpDbm} dBm`,
        why ?? "",
      ]);
      const table =
        rows.length === 0
          ? "none is remembered"
          : out.table([["PLMN", "STATE", "SEEN", "RSRP", "WHY"].map((head) => out.paint("bold", head)), ...rows]);
      return `${out.fields([[out.paint("bold", "Registered"), now]])}\n${table}`;
    });
    return undefined;
  },
};

export const netRegister: Verb = {
  name: "net register",
  summary: "register with one operator, or leave the choice to the module again; without data it is undone by itself",
  example: "simward net register 26201",
  args: [{ name: "operator", help: "MCC and MNC digits, or auto", choices: ["auto"] }],
  timeoutSeconds: 240,
  hasProgress: true,
  async run({ api, out }, { args: [operator = ""] }) {
    if (operator !== "auto" && !/^\d{5,6}$/.test(operator))
      throw new SimwardError("USAGE", { detail: `${asTyped(operator)}: give MCC and MNC digits such as 26201, or auto` });
    out.live(`[1/1] registration with ${operator === "auto" ? "any operator" : operator}`);
    const body = operator === "auto" ? {} : { plmn: operator };
    const done = await api("engineer").call<ModemChanged>("POST", "/v1/net/register", body);
    out.result(
      done,
      () =>
        `${out.paint("green", "registered")} with ${done.plmn ?? "an operator that the module does not name"} in ${duration(done.tookMs)}`,
    );
    return undefined;
  },
};

export const netFplmnShow: Verb = {
  name: "net fplmn show",
  summary: "the operators that the card holds for forbidden (EF.FPLMN)",
  example: "simward net fplmn show",
  async run({ api, out }) {
    const report = await api("viewer").call<ForbiddenOperators>("GET", "/v1/net/fplmn");
    out.result(report, () => (report.plmns.length === 0 ? "none is forbidden" : report.plmns.join("\n")));
    return undefined;
  },
};

export const netFplmnClear: Verb = {
  name: "net fplmn clear",
  summary: "empty the card's list of forbidden operators; the radio is restarted for it",
  example: "simward net fplmn clear --yes --reason 'ticket 123'",
  danger: "the radio is restarted, and data stands still meanwhile",
  timeoutSeconds: 120,
  async run({ api, out }, input) {
    const done = await api("engineer").call<ModemChanged>("POST", "/v1/net/fplmn/clear", { reason: needReason(input) });
    out.result(done, () =>
      done.changed ? `${out.paint("green", "emptied")} in ${duration(done.tookMs)}` : "it was empty already: nothing was done",
    );
    return undefined;
  },
};
