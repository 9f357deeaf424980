// The status as figures for a monitor, in the text exposition format of Prometheus, version 0.0.4. Pure.
import type { Status } from "./types.ts";

export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

interface Figure {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly values: readonly (readonly [labels: Readonly<Record<string, string>>, value: number | undefined])[];
}

/** Names stay; what is not known is left out. */
function figuresOf(status: Status): readonly Figure[] {
  const { network, pending, card, roaming } = status;
  const one = (name: string, help: string, value: number | undefined, type: Figure["type"] = "gauge"): Figure => ({
    name,
    type,
    help,
    values: [[{}, value]],
  });
  const yes = (value: boolean): number => (value ? 1 : 0);
  return [
    { name: "simward_info", type: "gauge", help: "Always 1.", values: [[{ version: status.version }, 1]] },
    one("simward_uptime_seconds", "Since the daemon started.", status.uptimeMs / 1_000),
    one("simward_module_ready", "Whether the module answers.", yes(network.link === "ready")),
    {
      name: "simward_registered",
      type: "gauge",
      help: "Whether it is registered, and where.",
      values: [
        [
          { ...(network.plmn === undefined ? {} : { plmn: network.plmn }), ...(network.rat === undefined ? {} : { rat: network.rat }) },
          yes(network.registration === "home" || network.registration === "roaming"),
        ],
      ],
    },
    one("simward_roaming", "Whether the network says that it roams.", network.roaming === undefined ? undefined : yes(network.roaming)),
    one("simward_rsrp_dbm", "Reference signal received power.", network.rsrpDbm),
    one("simward_rsrq_db", "Reference signal received quality.", network.rsrqDb),
    one("simward_sinr_db", "Signal to interference and noise ratio.", network.sinrDb),
    one("simward_data_session", "Whether there is a data session.", yes(network.address !== undefined)),
    one(
      "simward_path_round_trip_seconds",
      "Of the last probe.",
      network.roundTripMs === undefined ? undefined : network.roundTripMs / 1_000,
    ),
    one("simward_profiles", "On the eUICC.", status.profiles.length),
    one("simward_card_free_bytes", "Non-volatile memory that is free.", card?.freeNvmBytes),
    one("simward_eims", "Associated.", status.eims.length),
    one("simward_eims_failing", "Whose last exchange failed.", status.eims.filter(({ lastError }) => lastError !== undefined).length),
    one("simward_pending_notifications", "Waiting for SM-DP+s.", pending.notifications),
    one("simward_pending_package_results", "Waiting for eIMs.", pending.packageResults),
    one("simward_roaming_days_left", "Of the rule with the fewest.", roaming?.tightest?.daysLeft),
    one("simward_emergency", "Whether one is under way.", yes(status.emergency !== undefined)),
    one("simward_audit_records_total", "Of the audit trail, since it began.", status.audit.seq, "counter"),
    {
      name: "simward_alarms",
      type: "gauge",
      help: "What needs a person, by code.",
      values: [...new Set(status.alarms.map(({ code }) => code))].map(
        (code) => [{ code }, status.alarms.filter((alarm) => alarm.code === code).length] as const,
      ),
    },
  ];
}

const labelsOf = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
};

export function metricsOf(status: Status): string {
  return figuresOf(status)
    .map(({ name, type, help, values }) => ({
      head: `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`,
      lines: values.flatMap(([labels, value]) => (value === undefined ? [] : [`${name}${labelsOf(labels)} ${value}\n`])),
    }))
    .filter(({ lines }) => lines.length > 0)
    .map(({ head, lines }) => head + lines.join(""))
    .join("");
}
